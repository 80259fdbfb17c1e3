//! The checksums that SQS and S3 write beside what they keep.

/// MD5 (RFC 1321), as SQS and S3 still have it: against accidents, not against people.
pub(super) fn md5(bytes: &[u8]) -> [u8; 16] {
    /// By how much each step turns, by round.
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let sines = sines();
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - bytes.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    padded.truncate(padded.len() - 8);
    padded.extend((bytes.len() as u64).wrapping_mul(8).to_le_bytes());

    let mut sums = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        let [mut a, mut b, mut c, mut d] = sums;
        for (step, sine) in sines.iter().enumerate() {
            let round = step / 16;
            let (mixed, at) = match round {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let word = words.get(at % 16).copied().unwrap_or_default();
            let turn = TURNS.get(round).and_then(|turns| turns.get(step % 4)).copied().unwrap_or_default();
            let sum = a.wrapping_add(mixed).wrapping_add(*sine).wrapping_add(word);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turn)));
        }
        for (sum, part) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (place, byte) in digest.iter_mut().zip(sums.iter().flat_map(|sum| sum.to_le_bytes())) {
        *place = byte;
    }
    digest
}

/// The integer parts of 2³² times the sines of 1 to 64.
fn sines() -> [u32; 64] {
    let mut sines = [0; 64];
    for (sine, angle) in sines.iter_mut().zip(1_u32..) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is below 2³², and positive"
        )]
        let whole = (f64::from(angle).sin().abs() * 4_294_967_296.0) as u32;
        *sine = whole;
    }
    sines
}

/// CRC-32 (ISO-HDLC), as zip and S3 have it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        let byte = u32::try_from(byte).unwrap_or_default();
        (0..8).fold(byte, |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    });
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        sum >> 8 ^ table.get(usize::from(low ^ byte)).copied().unwrap_or_default()
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::{crc32, md5};

    #[test]
    fn md5_is_that_of_its_rfc() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex::encode(md5(text.as_bytes())), expected, "{text}");
        }
        // Where the length no longer fits beside the text.
        for length in 54..=65 {
            assert_ne!(md5(&vec![b'a'; length]), md5(&vec![b'a'; length + 1]));
        }
        assert_eq!(hex::encode(md5(&[b'a'; 56])), "3b0c8ac703f828b04c6c197006d17218");
    }

    #[test]
    fn crc32_is_that_of_its_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
