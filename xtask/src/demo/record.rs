//! What the demo did, for people and for `target/demo/report.json`.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::say;

/// Names and values.
pub(super) type Facts = Map<String, Value>;

/// The scenes so far.
#[derive(Debug)]
pub(super) struct Story {
    scenes: Vec<Scene>,
    since: Instant,
}

/// One part of the story.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    /// Its name in the report.
    pub(super) name: &'static str,
    /// Whether everything in it happened.
    pub(super) ok: bool,
    /// How long it took.
    pub(super) seconds: f64,
    /// What was seen.
    pub(super) facts: Facts,
}

impl Story {
    pub(super) fn new() -> Self {
        Self { scenes: Vec::new(), since: Instant::now() }
    }

    /// Begins a scene. It has failed until it is done.
    pub(super) fn scene(&mut self, name: &'static str, title: &str) {
        self.since = Instant::now();
        self.scenes.push(Scene { name, ok: false, seconds: 0.0, facts: Facts::new() });
        say::heading(self.scenes.len(), title);
    }

    /// The scene went as it should.
    pub(super) fn done(&mut self, facts: Value) {
        let seconds = self.seconds();
        if let (Some(scene), Value::Object(facts)) = (self.scenes.last_mut(), facts) {
            *scene = Scene { name: scene.name, ok: true, seconds, facts };
        }
    }

    /// The scene did not.
    pub(super) fn failed(&mut self, error: &anyhow::Error) {
        let seconds = self.seconds();
        if let Some(scene) = self.scenes.last_mut() {
            scene.seconds = seconds;
            scene.facts.insert("error".to_owned(), Value::String(format!("{error:#}")));
        }
    }

    pub(super) fn ok(&self) -> bool {
        self.scenes.iter().all(|scene| scene.ok)
    }

    pub(super) fn current(&self) -> &'static str {
        self.scenes.last().map_or("", |scene| scene.name)
    }

    pub(super) fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(&json!({"ok": self.ok(), "scenes": self.scenes}))?;
        text.push('\n');
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn seconds(&self) -> f64 {
        (self.since.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0
    }
}
