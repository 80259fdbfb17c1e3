use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Every family, and the size and the refill of AWS's own bucket (ECS Developer Guide, "Request throttling").
const FAMILIES: [(Family, u32, u32); 8] = [
    (Family::ClusterRead, 50, 20),
    (Family::ServiceRead, 100, 20),
    (Family::DefinitionRead, 50, 20),
    (Family::DefinitionModify, 20, 1),
    (Family::ServiceModify, 50, 5),
    (Family::DeploymentRead, 50, 20),
    (Family::RevisionRead, 50, 20),
    (Family::TaskRead, 100, 20),
];

/// When so many calls are made of a bucket by one who never rests.
fn without_rest(family: Family, calls: usize) -> Vec<Duration> {
    let mut bucket = Bucket::new(family.limit());
    let mut now = Duration::ZERO;
    std::iter::repeat_with(|| {
        now += bucket.take(now);
        now
    })
    .take(calls)
    .collect()
}

#[test]
fn two_thousand_definitions_take_little_longer_than_awss_budget_alone() {
    let alone = f64::from(2_000 - 50) / 20.0;
    let last = without_rest(Family::DefinitionRead, 2_000).pop().unwrap().as_secs_f64();
    assert!(alone < last && last < alone * 1.1, "{last} s instead of {alone} s");
}

#[test]
fn no_second_sees_more_than_five_services_updated() {
    let made = without_rest(Family::ServiceModify, 300);
    for (at, first) in made.iter().enumerate() {
        let within = made.iter().skip(at).filter(|call| **call < *first + SECOND).count();
        assert!(within <= 5, "{within} from {first:?}");
    }
    assert!(*made.last().unwrap() < SECOND * 80);
}

#[test]
fn awss_buckets_never_run_dry_even_if_they_are_filled_once_a_second() {
    for (family, size, refill) in FAMILIES {
        for tick in [0, 1, 250, 500, 999] {
            let (mut tokens, mut filled) = (size, Duration::from_millis(tick));
            for call in without_rest(family, 500) {
                while filled <= call {
                    tokens = (tokens + refill).min(size);
                    filled += SECOND;
                }
                assert!(tokens > 0, "{family:?} at {call:?}, filled at {tick} ms");
                tokens -= 1;
            }
        }
    }
}

#[test]
fn a_throttled_family_rests_goes_on_at_half_its_pace_and_recovers() {
    let every = Family::DefinitionRead.limit().every;
    let mut bucket = Bucket::new(Family::DefinitionRead.limit());
    let mut now = SECOND;
    assert_eq!(bucket.take(now), Duration::ZERO);

    bucket.slow(now);
    bucket.slow(now + SECOND / 2);
    assert_eq!(bucket.slowness(), 2, "calls that were throttled together are one throttle");
    assert_eq!(bucket.take(now), every, "what was saved up is gone");
    assert_eq!(bucket.take(now), every * 3);

    for expected in [4, 8, 8] {
        now += SECOND;
        bucket.slow(now);
        assert_eq!(bucket.slowness(), expected);
    }
    for (seconds, expected) in [(9, 8), (1, 4), (9, 4), (1, 2), (10, 1), (100, 1)] {
        now += SECOND * seconds;
        bucket.take(now);
        assert_eq!(bucket.slowness(), expected);
    }
    now += SECOND * 100;
    assert_eq!(bucket.take(now), Duration::ZERO);
}

#[test]
fn what_cannot_be_used_in_time_is_not_taken() {
    let mut bucket = Bucket::new(Limit { burst: 1, every: SECOND });
    assert_eq!(bucket.take_by(SECOND, SECOND), None, "the end itself is too late");
    assert_eq!(bucket.take_by(SECOND, SECOND * 2), Some(Duration::ZERO));
    assert_eq!(bucket.take_by(SECOND, SECOND * 2), None);
    assert_eq!(bucket.take_by(SECOND, SECOND * 3), Some(SECOND));
}

proptest! {
    /// Whoever asks when, and whatever is throttled: no stretch of time holds more calls than the burst and one for each
    /// `every` that fits into it.
    #[test]
    fn no_window_exceeds_the_budget(
        family in 0..FAMILIES.len(),
        steps in prop::collection::vec((0_u64..400, 0_u8..40), 1..250),
    ) {
        let limit = FAMILIES[family].0.limit();
        let mut bucket = Bucket::new(limit);
        let mut now = Duration::ZERO;
        let mut made: Vec<Duration> = Vec::new();
        for (gap, what) in steps {
            now += Duration::from_millis(gap);
            if what == 0 {
                bucket.slow(now);
            }
            // Several ask at once, and do not wait for one another.
            for _ in 0..=what % 4 {
                let wait = bucket.take(now);
                prop_assert!(made.last().is_none_or(|last| *last <= now + wait), "in turn");
                made.push(now + wait);
            }
        }
        for (first, from) in made.iter().enumerate() {
            for (last, to) in made.iter().enumerate().skip(first) {
                let allowed = u128::from(limit.burst) + to.saturating_sub(*from).as_nanos() / limit.every.as_nanos();
                prop_assert!((last - first + 1) as u128 <= allowed, "{from:?} to {to:?}");
            }
        }
    }
}

#[tokio::test]
async fn pacing_waits_as_long_as_the_bucket_says_and_not_beyond_the_end() {
    let budget = Budget::new();
    let began = Instant::now();
    for _ in 0..4 {
        budget.pace(Family::ServiceModify).await;
    }
    assert!(Duration::from_millis(700) <= began.elapsed(), "one, then one each quarter of a second");

    let asked = Instant::now();
    assert!(!budget.pace_by(Family::ServiceModify, asked + Duration::from_millis(100)).await);
    assert!(asked.elapsed() < Duration::from_millis(100), "it says so at once");
    assert!(budget.pace_by(Family::ServiceModify, asked + SECOND).await);
    budget.pace(Family::DefinitionRead).await;
    assert!(asked.elapsed() < SECOND, "each family has its own bucket");
}

#[tokio::test]
async fn a_throttle_that_the_sdk_deals_with_is_heard_of() {
    let throttled = || {
        DescribeServicesError::generic(
            ErrorMetadata::builder().code("ThrottlingException").message("no").build(),
        )
    };
    let rule = mock!(Client::describe_services)
        .sequence()
        .error(throttled)
        .output(|| aws_sdk_ecs::operation::describe_services::DescribeServicesOutput::builder().build())
        .build();
    let retry = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let client =
        mock_client!(aws_sdk_ecs, RuleMode::MatchAny, [&rule], |conf| conf.retry_config(retry.clone()));
    let budget = Arc::new(Budget::new());
    let slowness = || budget.with(Family::ServiceRead, |bucket, _| bucket.slowness());

    let call = || {
        let watch = budget.watch::<DescribeServicesError>(Family::ServiceRead);
        client.describe_services().services("web").customize().interceptor(watch).send()
    };
    call().await.unwrap();
    assert_eq!((rule.num_calls(), slowness()), (2, 2));
}
