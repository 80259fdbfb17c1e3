//! What the images of a task definition are called, and what their names mean by now.

use aws_sdk_ecr::types::ImageIdentifier;
use futures_util::future::try_join_all;
use shared::Result;
use shared::ecs::image::{EcrImage, is_pinned};
use shared::error::Call;

use crate::Reach;
use crate::budget::Family;
use crate::facts::{Image, Names};

/// The images of a task definition's containers.
pub(super) async fn of(reach: &Reach, definition: &str) -> Result<Vec<Image>> {
    reach.budget.pace(Family::DefinitionRead).await;
    let described = reach.clients.ecs.describe_task_definition().task_definition(definition).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    let containers = described.task_definition.and_then(|definition| definition.container_definitions);
    let containers = containers.unwrap_or_default();
    let mut parts = definition.split(':').skip(3);
    let home = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let images = containers.iter().map(async |container| {
        let (Some(name), Some(image)) = (container.name(), container.image()) else {
            return Ok(None);
        };
        let names = names(&reach.clients.ecr, image, home).await?;
        Ok::<_, shared::Error>(Some(Image { container: name.to_owned(), image: image.to_owned(), names }))
    });
    Ok(try_join_all(images).await?.into_iter().flatten().collect())
}

async fn names(client: &aws_sdk_ecr::Client, image: &str, home: (&str, &str)) -> Result<Names> {
    if is_pinned(image) {
        return Ok(Names::Pinned);
    }
    let Some(ecr) = EcrImage::read(image).filter(|ecr| (ecr.region, ecr.account) == home) else {
        return Ok(Names::Unchecked);
    };
    let described = client
        .describe_images()
        .registry_id(ecr.account)
        .repository_name(ecr.repository)
        .image_ids(ImageIdentifier::builder().image_tag(ecr.tag.unwrap_or("latest")).build())
        .send()
        .await
        .action("ecr:DescribeImages");
    match described {
        Ok(described) => {
            let digest = described.image_details().first().and_then(|found| found.image_digest());
            Ok(digest.map_or(Names::Nothing, |digest| Names::Digest(digest.to_owned())))
        }
        Err(error)
            if matches!(error.code(), Some("ImageNotFoundException" | "RepositoryNotFoundException")) =>
        {
            Ok(Names::Nothing)
        }
        Err(error) => Err(error),
    }
}
