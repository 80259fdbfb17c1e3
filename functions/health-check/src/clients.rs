//! The clients of AWS, each made when a check first needs it: a sweep pays only for what the environment has.

use std::sync::OnceLock;

use aws_config::SdkConfig;

macro_rules! clients {
    ($($name:ident $library:ident,)+) => {
        /// The clients of one process.
        #[derive(Debug)]
        pub(crate) struct Clients {
            config: SdkConfig,
            $($name: OnceLock<$library::Client>,)+
        }

        impl Clients {
            /// None is made yet.
            pub(crate) fn new(config: &SdkConfig) -> Self {
                Self { config: config.clone(), $($name: OnceLock::new(),)+ }
            }

            $(pub(crate) fn $name(&self) -> &$library::Client {
                self.$name.get_or_init(|| $library::Client::new(&self.config))
            })+
        }
    };
}

clients! {
    acm aws_sdk_acm,
    backup aws_sdk_backup,
    budgets aws_sdk_budgets,
    cloudformation aws_sdk_cloudformation,
    cloudwatch aws_sdk_cloudwatch,
    dynamodb aws_sdk_dynamodb,
    ecr aws_sdk_ecr,
    ecs aws_sdk_ecs,
    elasticache aws_sdk_elasticache,
    elb aws_sdk_elasticloadbalancingv2,
    events aws_sdk_eventbridge,
    health aws_sdk_health,
    kms aws_sdk_kms,
    lambda aws_sdk_lambda,
    logs aws_sdk_cloudwatchlogs,
    rds aws_sdk_rds,
    route53 aws_sdk_route53,
    s3 aws_sdk_s3,
    scaling aws_sdk_applicationautoscaling,
    scheduler aws_sdk_scheduler,
    secrets aws_sdk_secretsmanager,
    sns aws_sdk_sns,
    sqs aws_sdk_sqs,
    ssm aws_sdk_ssm,
    tagging aws_sdk_resourcegroupstagging,
    waf aws_sdk_wafv2,
}

/// The Region in which what has one address for a whole partition answers; of a partition that is not known here, this.
pub(crate) fn home(here: Option<&str>) -> &str {
    // Those of the largest partition are called like `eu-central-1`, those of younger ones like `eusc-de-east-1`.
    let ours = |region: &str| {
        let mut parts = region.split('-');
        parts.next().is_some_and(|first| first.len() == 2) && parts.count() == 2
    };
    match here.unwrap_or_default() {
        region if region.starts_with("cn-") => "cn-northwest-1",
        region if region.starts_with("us-gov-") => "us-gov-west-1",
        region if !region.is_empty() && !ours(region) => region,
        _ => "us-east-1",
    }
}

#[cfg(test)]
mod tests {
    use super::home;

    #[test]
    fn what_has_one_address_is_asked_where_it_answers() {
        for (here, there) in [
            (Some("eu-central-1"), "us-east-1"),
            (Some("us-gov-east-1"), "us-gov-west-1"),
            (Some("cn-north-1"), "cn-northwest-1"),
            (Some("us-iso-east-1"), "us-iso-east-1"),
            (Some("us-isob-east-1"), "us-isob-east-1"),
            (Some("eusc-de-east-1"), "eusc-de-east-1"),
            (Some("ap-southeast-5"), "us-east-1"),
            (None, "us-east-1"),
        ] {
            assert_eq!(home(here), there);
        }
    }
}
