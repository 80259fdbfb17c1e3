mod courses;
mod images;
mod large;
mod scanning;
mod updating;

use aws_sdk_codedeploy::Client as CodeDeploy;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{Service, ServiceField, Task};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::super::uncovered;
use super::Fleet;
use crate::aws::sdk_config;
use crate::proxy::Proxy;

async fn serve(fleet: &Fleet) -> (Proxy, Client) {
    let (proxy, ecs, _) = serve_both(fleet).await;
    (proxy, ecs)
}

async fn serve_both(fleet: &Fleet) -> (Proxy, Client, CodeDeploy) {
    let fleet = fleet.clone();
    let proxy = Proxy::answering(move |call| fleet.answer(call).unwrap_or_else(|| uncovered(call)));
    let proxy = proxy.await.unwrap();
    let config = sdk_config(proxy.url()).await;
    // What is throttled is the test's affair.
    let once = aws_sdk_ecs::config::retry::RetryConfig::disabled();
    let ecs = Client::from_conf(aws_sdk_ecs::config::Builder::from(&config).retry_config(once).build());
    (proxy, ecs, CodeDeploy::new(&config))
}

async fn service(ecs: &Client, name: &str) -> Service {
    let described = ecs
        .describe_services()
        .cluster("prod")
        .services(name)
        .include(ServiceField::Tags)
        .send()
        .await
        .unwrap();
    described.services().first().unwrap().clone()
}

async fn tasks(ecs: &Client, name: &str) -> Vec<Task> {
    let listed = ecs.list_tasks().cluster("prod").service_name(name).send().await.unwrap();
    if listed.task_arns().is_empty() {
        return Vec::new();
    }
    let described = ecs.describe_tasks().cluster("prod").set_tasks(listed.task_arns).send().await.unwrap();
    assert_eq!(described.failures(), []);
    described.tasks.unwrap()
}

async fn force(ecs: &Client, name: &str) -> Result<Service, (String, String)> {
    let call = ecs.update_service().cluster("prod").service(name).force_new_deployment(true);
    match call.send().await {
        Ok(updated) => Ok(updated.service.unwrap()),
        Err(error) => Err((error.code().unwrap().to_owned(), error.message().unwrap().to_owned())),
    }
}

/// A call as no client would send it.
async fn raw(proxy: &Proxy, service: &str, target: &str, sent: &Value) -> String {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-central-1/{service}/aws4_request, SignedHeaders=host"
    );
    let request = Request::post(proxy.url())
        .header("authorization", scope)
        .header("x-amz-target", target)
        .body(Full::new(Bytes::from(sent.to_string())));
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let said =
        client.request(request.unwrap()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(said.to_vec()).unwrap()
}
