//! Which addresses a function must not be led to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that stands in a URL's host in place of a name.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address must not be reached: link-local ones, among which are the metadata services of EC2 and ECS
/// (169.254.169.254, 169.254.170.2), their IPv6 addresses in `fd00:ec2::/32`, and every IPv6 spelling of them. Private
/// ones may be.
#[must_use]
pub fn forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let metadata = first == 0xfd00 && second == 0x0ec2;
            let link_local = first & 0xffc0 == 0xfe80;
            metadata || link_local || address.is_multicast() || embedded(address).is_some_and(forbidden_v4)
        }
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address.is_multicast() || address.is_broadcast()
}

/// The IPv4 address inside an IPv6 one: mapped (`::ffff:0:0/96`), compatible (`::/96`), NAT64 (`64:ff9b::/96`) and
/// 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{forbidden, literal};

    #[track_caller]
    fn check(address: &str, expected: bool) {
        assert_eq!(forbidden(address.parse().unwrap()), expected, "{address}");
    }

    #[test]
    fn link_local_addresses_are_forbidden_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            check(address, true);
        }
        for address in
            ["127.0.0.1", "10.0.0.1", "3.68.1.1", "::1", "fd00::1", "2600:1f18::1", "::ffff:10.0.0.1"]
        {
            check(address, false);
        }
    }

    #[test]
    fn an_address_in_place_of_a_name_is_read_as_one() {
        for (host, expected) in
            [("10.0.0.1", true), ("[::1]", true), ("::1", true), ("www.example.com", false), ("", false)]
        {
            assert_eq!(literal(host).is_some(), expected, "{host}");
        }
    }
}
