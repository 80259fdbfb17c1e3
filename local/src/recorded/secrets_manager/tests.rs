use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;

use super::SecretsManager;
use crate::proxy::Proxy;
use crate::recorded::uncovered;
use crate::rotation::{self, CURRENT, PENDING, PREVIOUS};

struct Scene {
    secrets: SecretsManager,
    client: Client,
    _proxy: Proxy,
}

async fn scene() -> Scene {
    let secrets = SecretsManager::new().with_secret("prod/db", "one", &[("team", "shop")]);
    let answers = secrets.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    let config = crate::aws::sdk_config(proxy.url()).await;
    Scene { secrets, client: Client::new(&config), _proxy: proxy }
}

impl Scene {
    /// The code of the refusal, or `ok`.
    async fn put(&self, token: &str, value: &str) -> String {
        let put = self.client.put_secret_value().secret_id("prod/db").client_request_token(token);
        code(put.secret_string(value).version_stages(PENDING).send().await)
    }

    async fn get(&self, version: &str, stage: &str) -> String {
        let get = self.client.get_secret_value().secret_id("prod/db").version_id(version);
        code(get.version_stage(stage).send().await)
    }

    async fn finish(&self, from: Option<&str>, to: Option<&str>) -> String {
        let moved = self.client.update_secret_version_stage().secret_id("prod/db").version_stage(CURRENT);
        code(
            moved
                .set_remove_from_version_id(from.map(ToOwned::to_owned))
                .set_move_to_version_id(to.map(ToOwned::to_owned))
                .send()
                .await,
        )
    }
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or_default().to_owned(),
    }
}

#[tokio::test]
async fn a_rotation_begins_with_a_label_on_a_version_without_a_value() {
    let scene = scene().await;
    let token = rotation::token("begins");
    scene.secrets.begin("prod/db", &token).unwrap();
    let described = scene.client.describe_secret().secret_id("prod/db").send().await.unwrap();
    assert_eq!(described.version_ids_to_stages().unwrap().get(&token).unwrap(), &[PENDING]);
    assert_eq!(described.rotation_enabled(), Some(true));
    assert_eq!(described.tags()[0].key(), Some("team"));
    assert_eq!(scene.get(&token, PENDING).await, "ResourceNotFoundException");
    assert_eq!(scene.put(&token, "two").await, "ok");
    assert_eq!(scene.get(&token, PENDING).await, "ok");
    assert_eq!(scene.get(&token, CURRENT).await, "InvalidRequestException");
    assert!(scene.secrets.begin("prod/db", &rotation::token("another")).is_err());
}

#[tokio::test]
async fn a_version_takes_the_same_value_again_and_never_another() {
    let scene = scene().await;
    let token = rotation::token("again");
    assert_eq!(scene.put(&token, "two").await, "ok");
    assert_eq!(scene.put(&token, "two").await, "ok");
    assert_eq!(scene.put(&token, "three").await, "ResourceExistsException");
    assert_eq!(scene.put("short", "two").await, "InvalidParameterException");
    assert_eq!(scene.secrets.value("prod/db", PENDING).unwrap().as_deref(), Some("two"));
    assert_eq!(scene.secrets.written("prod/db", &token).unwrap().len(), 2);
}

#[tokio::test]
async fn only_who_names_the_current_version_moves_its_label_and_the_previous_one_follows() {
    let scene = scene().await;
    let token = rotation::token("moves");
    let first = scene.secrets.version("prod/db", CURRENT).unwrap().unwrap();
    scene.secrets.begin("prod/db", &token).unwrap();
    assert_eq!(scene.finish(Some(&first), Some(&token)).await, "InvalidRequestException");
    assert_eq!(scene.put(&token, "two").await, "ok");
    assert_eq!(scene.finish(None, Some(&token)).await, "InvalidParameterException");
    assert_eq!(scene.finish(Some(&token), Some(&token)).await, "InvalidParameterException");
    assert_eq!(scene.finish(Some(&first), None).await, "InvalidParameterException");
    assert!(scene.secrets.end("prod/db", &token).is_err());
    assert_eq!(scene.finish(Some(&first), Some(&token)).await, "ok");
    scene.secrets.end("prod/db", &token).unwrap();
    assert_eq!(scene.secrets.version("prod/db", CURRENT).unwrap().as_deref(), Some(&*token));
    assert_eq!(scene.secrets.version("prod/db", PREVIOUS).unwrap().as_deref(), Some(&*first));
    assert_eq!(scene.secrets.version("prod/db", PENDING).unwrap(), None);
}

#[tokio::test]
async fn a_value_written_by_hand_abandons_the_rotation() {
    let scene = scene().await;
    let token = rotation::token("abandoned");
    let first = scene.secrets.version("prod/db", CURRENT).unwrap().unwrap();
    scene.secrets.begin("prod/db", &token).unwrap();
    assert_eq!(scene.put(&token, "two").await, "ok");
    let by_hand = scene.secrets.write_by_hand("prod/db", "three").unwrap();
    assert_eq!(scene.secrets.version("prod/db", PENDING).unwrap(), None);
    assert_eq!(scene.finish(Some(&first), Some(&token)).await, "InvalidParameterException");
    assert_eq!(scene.secrets.version("prod/db", CURRENT).unwrap(), Some(by_hand));
}
