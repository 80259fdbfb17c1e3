use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::error::ProvideErrorMetadata;
use aws_sdk_elasticache::types::AuthTokenUpdateStrategyType as Update;

use super::ElastiCache;
use crate::progress::Silent;
use crate::proxy::Proxy;
use crate::recorded::uncovered;
use crate::tls::Authority;
use crate::valkey::Valkey;

const ONE: &str = "token-number-one-";
const TWO: &str = "token-number-two-";
const THREE: &str = "token-number-three";

struct Scene {
    server: Valkey,
    cache: ElastiCache,
    client: Client,
    _proxy: Proxy,
}

async fn scene(name: &str, token: Option<&str>) -> Scene {
    let server = Valkey::start(name, &Authority::new().unwrap(), &Silent).await.unwrap();
    let cache = ElastiCache::of(server.admin()).with_group("sessions", token).await.unwrap();
    let cache = cache.with_user("app-1", "app", &[ONE]).await.unwrap().with_iam_user("by-iam");
    let answers = cache.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    let config = crate::aws::sdk_config(proxy.url()).await;
    Scene { server, cache, client: Client::new(&config), _proxy: proxy }
}

impl Scene {
    async fn update(&self, update: Update, token: &str) -> String {
        let sent = self.client.modify_replication_group().replication_group_id("sessions");
        code(sent.auth_token(token).auth_token_update_strategy(update).apply_immediately(true).send().await)
    }

    async fn set(&self, user: &str, passwords: &[&str]) -> String {
        let passwords = passwords.iter().map(|&it| it.to_owned()).collect();
        code(self.client.modify_user().user_id(user).set_passwords(Some(passwords)).send().await)
    }

    /// Which of the three tokens the server takes.
    async fn taken(&self, user: Option<&str>) -> Vec<&'static str> {
        let mut taken = Vec::new();
        for (name, token) in [("one", ONE), ("two", TWO), ("three", THREE)] {
            if self.server.door().login(user, token).await.is_ok() {
                taken.push(name);
            }
        }
        taken
    }
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or_default().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_rotated_in_beside_the_one_before_and_then_set_alone() {
    let scene = scene("elasticache-token", Some(ONE)).await;
    assert_eq!(scene.update(Update::Set, TWO).await, "InvalidParameterCombination");
    assert_eq!(scene.update(Update::Rotate, TWO).await, "ok");
    assert_eq!(scene.taken(None).await, ["one"]);
    assert_eq!(scene.update(Update::Set, TWO).await, "InvalidReplicationGroupState");
    scene.cache.settled().await.unwrap();
    assert_eq!(scene.taken(None).await, ["one", "two"]);
    assert_eq!(scene.update(Update::Set, ONE).await, "InvalidParameterValue");
    assert_eq!(scene.update(Update::Set, TWO).await, "ok");
    scene.cache.settled().await.unwrap();
    assert_eq!(scene.taken(None).await, ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rotation_drops_the_oldest_token() {
    let scene = scene("elasticache-second", Some(ONE)).await;
    for token in [TWO, THREE] {
        assert_eq!(scene.update(Update::Rotate, token).await, "ok");
        scene.cache.settled().await.unwrap();
    }
    assert_eq!(scene.taken(None).await, ["two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_was_no_token_clients_without_one_stay_welcome_until_it_is_set() {
    let scene = scene("elasticache-open", None).await;
    assert!(scene.server.door().is_open().await.unwrap());
    assert_eq!(scene.update(Update::Rotate, ONE).await, "ok");
    scene.cache.settled().await.unwrap();
    assert!(scene.server.door().is_open().await.unwrap());
    assert_eq!(scene.update(Update::Set, ONE).await, "ok");
    scene.cache.settled().await.unwrap();
    assert!(!scene.server.door().is_open().await.unwrap());
    assert_eq!(scene.taken(None).await, ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_elasticache_would_refuse_is_refused() {
    let scene = scene("elasticache-refused", Some(ONE)).await;
    for token in ["too-short", "a-token-with-a-slash/", "a-token-with-an-at-@", &"x".repeat(129)] {
        assert_eq!(scene.update(Update::Rotate, token).await, "InvalidParameterValue", "{token}");
    }
    assert_eq!(scene.update(Update::Delete, TWO).await, "InvalidParameterCombination");
    let unknown = scene.client.describe_replication_groups().replication_group_id("other").send().await;
    assert_eq!(code(unknown), "ReplicationGroupNotFoundFault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_at_most_two_passwords_and_is_modifying_for_a_while() {
    let scene = scene("elasticache-user", Some(ONE)).await;
    assert_eq!(scene.set("app-1", &[TWO, ONE]).await, "ok");
    assert_eq!(scene.set("app-1", &[TWO]).await, "InvalidUserState");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|status| status != "active") {
        let described = scene.client.describe_users().user_id("app-1").send().await.unwrap();
        seen.push(described.users()[0].status().unwrap().to_owned());
    }
    assert!(seen.len() > 2, "{seen:?}");
    assert_eq!(scene.taken(Some("app")).await, ["one", "two"]);
    assert_eq!(scene.set("app-1", &[ONE, TWO, THREE]).await, "InvalidParameterValue");
    assert_eq!(scene.set("app-1", &[TWO, TWO]).await, "InvalidParameterValue");
    assert_eq!(scene.set("app-1", &["short"]).await, "InvalidParameterValue");
    assert_eq!(scene.set("by-iam", &[TWO]).await, "InvalidParameterCombination");
    assert_eq!(scene.set("nobody", &[TWO]).await, "UserNotFound");
}
