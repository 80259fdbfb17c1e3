//! The image that runs is the image that stays: a forced deployment asks the registry anew what a tag means.

use std::collections::BTreeMap;

use shared::ecs::image::pinned;

use crate::facts::{Image, Names, Task};

/// What is to be done about the images of a service that is deployed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// Nothing: every name means what runs.
    Same,
    /// These containers' images have to be named by their digests, else others would run.
    Pin {
        /// By container, the image with its digest.
        images: BTreeMap<String, String>,
        /// Why, in words.
        why: String,
    },
    /// It cannot be known what runs, or what would.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

/// Compares what runs with what the names mean by now.
pub fn compare(images: &[Image], tasks: &[Task]) -> Images {
    let mut pins = BTreeMap::new();
    let mut reasons = Vec::new();
    for image in images {
        let name = &image.container;
        if image.names == Names::Pinned {
            continue;
        }
        let mut running: Vec<&str> =
            tasks.iter().filter_map(|task| task.digests.get(name)).map(String::as_str).collect();
        running.sort_unstable();
        running.dedup();
        let ran = match running.as_slice() {
            [one] => *one,
            [] => {
                let why =
                    format!("ECS does not say which digest of {} runs in container {name}", image.image);
                return Images::Unknown { why };
            }
            several => {
                let why =
                    format!("container {name} runs {} different digests of {}", several.len(), image.image);
                return Images::Unknown { why };
            }
        };
        match &image.names {
            Names::Digest(now) if now == ran => continue,
            Names::Digest(_) => {
                reasons.push(format!("{} means another image by now than the one that runs", image.image));
            }
            Names::Nothing => reasons.push(format!("{} means no image any more", image.image)),
            Names::Unchecked => {
                reasons.push(format!("what {} means by now cannot be looked at", image.image));
            }
            Names::Pinned => continue,
        }
        pins.insert(name.clone(), pinned(&image.image, ran));
    }
    if pins.is_empty() { Images::Same } else { Images::Pin { images: pins, why: reasons.join("; ") } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaa";
    const B: &str = "sha256:bbbb";

    fn image(name: &str, names: Names) -> Image {
        Image { container: "app".to_owned(), image: name.to_owned(), names }
    }

    fn task(digest: Option<&str>) -> Task {
        let digests = digest.map(|digest| ("app".to_owned(), digest.to_owned())).into_iter().collect();
        Task { digests, ..Task::default() }
    }

    #[track_caller]
    fn check(names: Names, running: &[Option<&str>], expected: &str) {
        let tasks: Vec<_> = running.iter().map(|digest| task(*digest)).collect();
        let said = match compare(&[image("shop/web:latest", names)], &tasks) {
            Images::Same => "same".to_owned(),
            Images::Pin { images, why } => format!("{}: {why}", images["app"]),
            Images::Unknown { why } => format!("? {why}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_runs_stays_whatever_its_tag_means_by_now() {
        check(Names::Pinned, &[], "same");
        check(Names::Digest(A.to_owned()), &[Some(A), Some(A)], "same");
        check(
            Names::Digest(B.to_owned()),
            &[Some(A)],
            "shop/web@sha256:aaaa: shop/web:latest means another image by now than the one that runs",
        );
        check(Names::Nothing, &[Some(A)], "shop/web@sha256:aaaa: shop/web:latest means no image any more");
        check(
            Names::Unchecked,
            &[Some(A)],
            "shop/web@sha256:aaaa: what shop/web:latest means by now cannot be looked at",
        );
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        check(
            Names::Digest(A.to_owned()),
            &[None],
            "? ECS does not say which digest of shop/web:latest runs in container app",
        );
        check(
            Names::Digest(A.to_owned()),
            &[Some(A), Some(B)],
            "? container app runs 2 different digests of shop/web:latest",
        );
    }
}
