//! Hears of throttles that the SDK would keep to itself.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use aws_sdk_ecs::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::error::{BoxError, ProvideErrorMetadata};

use super::{Budget, Family};

/// An interceptor that makes a family slower when one of its calls is throttled.
pub struct Watch<E> {
    budget: Arc<Budget>,
    family: Family,
    error: PhantomData<fn() -> E>,
}

impl<E> Watch<E> {
    pub(super) const fn new(budget: Arc<Budget>, family: Family) -> Self {
        Self { budget, family, error: PhantomData }
    }
}

impl<E> fmt::Debug for Watch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("family", &self.family).finish_non_exhaustive()
    }
}

impl<E> Intercept for Watch<E>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else {
            return Ok(());
        };
        let refused = context.response().is_some_and(|response| response.status().as_u16() == 429);
        let error = error.as_operation_error().and_then(|error| error.downcast_ref::<E>());
        if refused || error.and_then(E::code).is_some_and(is_throttle) {
            self.budget.slow(self.family);
        }
        Ok(())
    }
}

/// `ThrottlingException` is what the ECS guide names; the others are what AWS services say elsewhere.
fn is_throttle(code: &str) -> bool {
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"].contains(&code)
}
