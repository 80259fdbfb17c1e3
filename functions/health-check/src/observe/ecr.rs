//! Images in ECR: a hundred of a repository in a call, and their scans where that call does not tell of them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ecr::types::{FindingSeverity, ImageDetail, ImageIdentifier};
use futures_util::future::join_all;
use jiff::Timestamp;
use shared::ecs::image::EcrImage;
use shared::error::Call;
use shared::{Error, Result};

use crate::component::Component;
use crate::decision::kind::image::{Facts, Scan, absent, elsewhere, verdict, without_repository};
use crate::sweep::{Api, Ask};

/// ECR describes at most this many images in one call, all of one repository (ECR API, `DescribeImages`).
const AT_ONCE: usize = 100;

const IMAGE_NOT_FOUND: Option<&str> = Some("ImageNotFoundException");

/// An image that is asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    component: &'a Component,
    image: EcrImage<'a>,
}

impl Wanted<'_> {
    /// The digest counts, whatever the tag says.
    fn id(&self) -> ImageIdentifier {
        let id = ImageIdentifier::builder();
        match self.image.digest {
            Some(digest) => id.image_digest(digest).build(),
            None => id.image_tag(self.tag()).build(),
        }
    }

    fn tag(&self) -> &str {
        self.image.tag.unwrap_or("latest")
    }

    fn is(&self, detail: &ImageDetail) -> bool {
        match self.image.digest {
            Some(digest) => detail.image_digest() == Some(digest),
            None => detail.image_tags().iter().any(|tag| tag == self.tag()),
        }
    }
}

/// Checks all of them; the ARN of each is the image as its task definition names it.
pub(crate) async fn check(ask: &Ask<'_>, images: &[Component]) {
    let mut repositories = BTreeMap::<(&str, &str), Vec<Wanted<'_>>>::new();
    for component in images {
        match EcrImage::read(component.arn()) {
            Some(image) => {
                let wanted = Wanted { component, image };
                repositories.entry((image.account, image.repository)).or_default().push(wanted);
            }
            None => ask.say(component, elsewhere()),
        }
    }
    join_all(repositories.values().flat_map(|all| all.chunks(AT_ONCE)).map(|some| chunk(ask, some))).await;
}

async fn chunk(ask: &Ask<'_>, images: &[Wanted<'_>]) {
    match describe(ask, images).await {
        // One that is gone hides all that it was asked for with.
        Err(error) if error.code() == IMAGE_NOT_FOUND && 1 < images.len() => {
            join_all(images.chunks(1).map(|one| one_by_one(ask, one))).await;
        }
        answer => say(ask, images, answer).await,
    }
}

async fn one_by_one(ask: &Ask<'_>, one: &[Wanted<'_>]) {
    let answer = describe(ask, one).await;
    say(ask, one, answer).await;
}

async fn say(ask: &Ask<'_>, images: &[Wanted<'_>], answer: Result<Vec<ImageDetail>>) {
    match answer {
        Ok(details) => {
            join_all(images.iter().map(async |wanted| {
                let detail = details.iter().find(|detail| wanted.is(detail));
                ask.say(wanted.component, verdict(&facts(ask, wanted, detail).await));
            }))
            .await;
        }
        Err(error) => images.iter().for_each(|wanted| refused(ask, wanted.component, &error)),
    }
}

fn refused(ask: &Ask<'_>, component: &Component, error: &Error) {
    match error.code() {
        code if code == IMAGE_NOT_FOUND => ask.say(component, absent()),
        Some("RepositoryNotFoundException") => ask.say(component, without_repository()),
        _ => ask.unknown(component, error),
    }
}

async fn describe(ask: &Ask<'_>, images: &[Wanted<'_>]) -> Result<Vec<ImageDetail>> {
    let Some(first) = images.first() else { return Ok(Vec::new()) };
    let _turn = ask.turn(Api::Ecr).await;
    // Asked by id, ECR answers in one page.
    let answer = ask
        .clients
        .ecr()
        .describe_images()
        .registry_id(first.image.account)
        .repository_name(first.image.repository)
        .set_image_ids(Some(images.iter().map(Wanted::id).collect()))
        .send()
        .await
        .action("ecr:DescribeImages")?;
    Ok(answer.image_details.unwrap_or_default())
}

async fn facts(ask: &Ask<'_>, wanted: &Wanted<'_>, detail: Option<&ImageDetail>) -> Facts {
    let Some(detail) = detail else { return Facts::default() };
    let counts = detail.image_scan_findings_summary().and_then(|it| it.finding_severity_counts());
    let scan = match (detail.image_scan_status(), counts) {
        // The present basic scanning tells of its findings only where it is asked for them.
        (_, None) => scan(ask, wanted).await,
        (status, Some(counts)) => Scan::Read {
            status: status.and_then(|it| Some(it.status()?.as_str().to_owned())),
            findings: findings(counts),
        },
    };
    Facts {
        digest: detail.image_digest().unwrap_or_default().to_owned(),
        status: detail.image_status().map(|status| status.as_str().to_owned()),
        pushed: detail.image_pushed_at().and_then(|at| Timestamp::from_second(at.secs()).ok()),
        scan,
    }
}

async fn scan(ask: &Ask<'_>, wanted: &Wanted<'_>) -> Scan {
    match read_scan(ask, wanted).await {
        Ok(scan) => scan,
        Err(error) if error.code() == Some("ScanNotFoundException") => Scan::None,
        // Enhanced scanning asks for a permission of another service, too.
        Err(error @ Error::Denied { .. }) => Scan::Denied(error.chain()),
        Err(error) => Scan::Unread(error.chain()),
    }
}

async fn read_scan(ask: &Ask<'_>, wanted: &Wanted<'_>) -> Result<Scan> {
    let _turn = ask.turn(Api::Ecr).await;
    // Only the counts are wanted; the findings themselves would come in pages.
    let answer = ask
        .clients
        .ecr()
        .describe_image_scan_findings()
        .registry_id(wanted.image.account)
        .repository_name(wanted.image.repository)
        .image_id(wanted.id())
        .max_results(1)
        .send()
        .await
        .action("ecr:DescribeImageScanFindings")?;
    let counts = answer.image_scan_findings().and_then(|found| found.finding_severity_counts());
    let status = answer.image_scan_status().and_then(|it| Some(it.status()?.as_str().to_owned()));
    if status.is_none() && counts.is_none() {
        return Ok(Scan::None);
    }
    Ok(Scan::Read { status, findings: counts.map(findings).unwrap_or_default() })
}

fn findings(counts: &HashMap<FindingSeverity, i32>) -> BTreeMap<String, u32> {
    let count = |(severity, count): (&FindingSeverity, &i32)| {
        (severity.as_str().to_owned(), u32::try_from(*count).unwrap_or_default())
    };
    counts.iter().map(count).collect()
}

#[cfg(test)]
mod tests;
