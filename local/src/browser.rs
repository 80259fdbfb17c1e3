//! A real browser without a window, which tells how a page comes out on a screen: what its text alone does not say.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::programs::{self, Served, Wanted};
use crate::progress::Progress;

/// Shows one page after the other in a frame, measures each, and posts what it saw.
const SHOW: &str = include_str!("browser/show.html");

/// How long the browser may take to start and to measure all pages.
const WITHIN: Duration = Duration::from_mins(2);

/// More than what is measured of all pages, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// How a page came out, with everything in it unfolded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Which of the pages.
    pub page: usize,
    /// How wide its screen was, in CSS pixels, and how much the page would need.
    pub width: u32,
    /// How wide the page is; more than its screen means that one has to scroll sideways.
    pub needs: u32,
    /// How many texts were shown.
    pub texts: usize,
    /// The addresses of what the page asked for beside itself.
    pub fetched: Vec<String>,
    /// Texts that stand beyond the screen.
    pub wide: Vec<String>,
    /// Texts that are hard to read, each with its contrast: less than 4.5, as WCAG 2.2 counts it (success criterion 1.4.3).
    pub pale: Vec<String>,
    /// Texts that are smaller than 12 pixels.
    pub small: Vec<String>,
    /// Texts of which a part cannot be seen nor scrolled to.
    pub cut: Vec<String>,
}

/// How pages are shown.
#[derive(Debug, Clone, Serialize)]
pub struct Screens<'a> {
    /// Their widths, in CSS pixels.
    pub widths: &'a [u32],
    /// Whether people prefer dark colours.
    pub dark: bool,
}

/// Shows each page on each screen. `name` is that of a folder under `target/local` that is the browser's own meanwhile.
///
/// # Errors
/// When there is no browser and none can be installed (the text says what to do), or it does not start.
pub async fn see(
    name: &str,
    pages: &[String],
    screens: &Screens<'_>,
    progress: &dyn Progress,
) -> anyhow::Result<Vec<Seen>> {
    let wanted = Wanted {
        name: "Chromium",
        programs: &["chromium", "chromium-browser", "google-chrome"],
        folders: Vec::new,
        packages: &["chromium"],
        elsewhere: "macOS: brew install chromium; elsewhere: chromium.org",
    };
    let program = wanted.find(progress).await?;
    let folder = programs::folder(name, None)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
    let address = format!("http://{}/", listener.local_addr()?);
    let (told, mut seen) = mpsc::channel(1);
    let show =
        SHOW.replace("{asked}", &serde_json::json!({"pages": pages.len(), "screens": screens}).to_string());
    let served = Arc::new(Pages { show, all: pages.to_vec(), told });
    let router = Router::new()
        .route("/", get(async |State(served): State<Arc<Pages>>| Html(served.show.clone())))
        .route("/page/{number}", get(page))
        .route("/seen", post(receive).layer(DefaultBodyLimit::max(LARGEST)))
        // Browsers ask for it by themselves.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .with_state(served);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let log = folder.join("browser.log");
    let mut arguments: Vec<String> = [
        "--headless",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        // Nothing is to come from elsewhere.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    .map(str::to_owned)
    .into();
    // As Blink numbers them (`mojom::PreferredColorScheme`): dark, then light.
    arguments.push(format!("--blink-settings=preferredColorScheme={}", i32::from(!screens.dark)));
    arguments.push(format!("--user-data-dir={}", folder.join("profile").display()));
    if Uid::effective().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    arguments.push(address);
    let browser = Served::start(&program, &arguments, None, "TERM", &folder, &log)?;
    let seen = tokio::time::timeout(WITHIN, seen.recv()).await;
    drop(browser);
    serving.abort();

    let Ok(Some(answer)) = seen else {
        let said = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
        bail!("the browser showed nothing within {} s; it said:\n{said}", WITHIN.as_secs());
    };
    let answer: Answer = serde_json::from_str(&answer).context("the browser measured something else")?;
    match answer {
        Answer::Failed { error } => bail!("the pages could not be measured: {error}"),
        Answer::Seen { dark, .. } if dark != screens.dark => {
            bail!("the browser does not show the colours that it was asked for")
        }
        Answer::Seen { seen, .. } => Ok(seen),
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Seen { dark: bool, seen: Vec<Seen> },
    Failed { error: String },
}

struct Pages {
    show: String,
    all: Vec<String>,
    told: mpsc::Sender<String>,
}

async fn page(
    State(served): State<Arc<Pages>>,
    Path(number): Path<usize>,
) -> Result<Html<String>, StatusCode> {
    served.all.get(number).cloned().map(Html).ok_or(StatusCode::NOT_FOUND)
}

async fn receive(State(served): State<Arc<Pages>>, seen: String) {
    // Whoever waits for it has given up where it cannot be told.
    let _ = served.told.send(seen).await;
}

#[cfg(test)]
mod tests {
    use super::{Screens, see};
    use crate::progress::Silent;

    const PAGE: &str = "<!doctype html><html lang=en><meta name=color-scheme content='light dark'>\
                        <title>a page</title><style>p { margin: 0 } .pale { color: #999; background: #fff }
                        .cut { width: 3rem; overflow: hidden; white-space: nowrap }</style>";

    #[tokio::test]
    async fn what_is_wrong_with_a_page_is_seen() {
        let pages = [
            "<p>as it should be",
            "<p style='width: 500px'>wide",
            "<p class=pale>pale",
            "<p style='font-size: 9px'>small",
            "<p class=cut>far too long for its place",
            "<details><summary>folded</summary><p class=pale>within</details>",
        ]
        .map(|body| format!("{PAGE}{body}"));
        let screens = Screens { widths: &[320], dark: false };
        let seen = see("unit-browser", &pages, &screens, &Silent).await.unwrap();
        let wrong: Vec<_> = seen
            .iter()
            .map(|it| (it.needs > it.width, it.pale.len(), it.small.len(), it.cut.len()))
            .collect();
        assert_eq!(
            wrong,
            [
                (false, 0, 0, 0),
                (true, 0, 0, 0),
                (false, 1, 0, 0),
                (false, 0, 1, 0),
                (false, 0, 0, 1),
                (false, 1, 0, 0)
            ],
            "{seen:#?}"
        );

        let dark = Screens { widths: &[320, 1_280], dark: true };
        let seen = see("unit-browser-dark", &pages[..1], &dark, &Silent).await.unwrap();
        assert_eq!(seen.iter().map(|it| (it.width, it.texts)).collect::<Vec<_>>(), [(320, 1), (1_280, 1)]);

        let wishes = [format!("{PAGE}<img src=https://example.com/picture.png alt=''>")];
        let seen = see("unit-browser-wishes", &wishes, &screens, &Silent).await.unwrap();
        assert_eq!(seen[0].fetched, ["https://example.com/picture.png"]);
    }
}
