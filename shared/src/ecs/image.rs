//! An image as a container definition names it.

/// Where ECR's hosts are (AWS General Reference, "Amazon ECR endpoints").
const REGISTRIES: [&str; 5] =
    ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn"];

/// An image in ECR: `<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]/<repository>[:tag][@digest]`, or by its
/// dual-stack host `<account>.dkr-ecr[-fips].<region>.on.aws`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcrImage<'a> {
    /// The registry's account.
    pub account: &'a str,
    /// The registry's Region.
    pub region: &'a str,
    /// The repository.
    pub repository: &'a str,
    /// The tag, where one is written; without tag and digest, `latest` is meant.
    pub tag: Option<&'a str>,
    /// The digest, where one is written; it counts, whatever the tag says.
    pub digest: Option<&'a str>,
}

impl<'a> EcrImage<'a> {
    /// `None` for an image that is not in ECR.
    pub fn read(image: &'a str) -> Option<Self> {
        let (host, path) = image.split_once('/')?;
        let (account, rest) = host.split_once(".dkr.ecr").or_else(|| host.split_once(".dkr-ecr"))?;
        let rest = rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?;
        let (region, _) = rest.split_once('.').filter(|(_, domain)| REGISTRIES.contains(domain))?;
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest)),
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        Some(Self { account, region, repository, tag, digest })
    }
}

/// Whether an image is named by its digest, so that it is always the same.
pub fn is_pinned(image: &str) -> bool {
    image.contains("@sha256:")
}

/// The same repository's image with this digest: without the tag, which another image may carry by now.
pub fn pinned(image: &str, digest: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    // A colon before the last slash belongs to a port.
    let name = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    };
    format!("{name}@{digest}")
}

#[cfg(test)]
mod tests {
    use super::{EcrImage, is_pinned, pinned};

    #[track_caller]
    fn check(image: &str, tag: Option<&str>, digest: Option<&str>) {
        let expected = EcrImage { account: "1", region: "eu-central-1", repository: "shop/web", tag, digest };
        assert_eq!(EcrImage::read(image), Some(expected));
    }

    #[test]
    fn an_image_in_ecr_is_recognised_by_its_host() {
        check("1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2", Some("2"), None);
        check("1.dkr.ecr.eu-central-1.amazonaws.com/shop/web", None, None);
        check("1.dkr.ecr-fips.eu-central-1.amazonaws.com/shop/web@sha256:a", None, Some("sha256:a"));
        check("1.dkr-ecr.eu-central-1.on.aws/shop/web:2@sha256:a", Some("2"), Some("sha256:a"));
        for elsewhere in ["nginx", "nginx:1", "public.ecr.aws/nginx/nginx:1", "1.dkr.ecr.eu.evil.com/web:2"] {
            assert_eq!(EcrImage::read(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_pinned_image_has_no_tag_and_keeps_its_registrys_port() {
        for (image, expected) in [
            ("nginx", "nginx@sha256:a"),
            ("nginx:latest", "nginx@sha256:a"),
            ("localhost:5000/web", "localhost:5000/web@sha256:a"),
            ("localhost:5000/web:2", "localhost:5000/web@sha256:a"),
            ("shop/web:2@sha256:b", "shop/web@sha256:a"),
        ] {
            assert_eq!(pinned(image, "sha256:a"), expected);
            assert!(is_pinned(&pinned(image, "sha256:a")) && (!is_pinned(image) || image.contains('@')));
        }
    }
}
