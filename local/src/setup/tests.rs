use std::path::PathBuf;

use super::install;
use crate::progress::Silent;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("watchkeeper-setup-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn an_environment_is_made_once_and_half_of_one_is_made_again() {
    let folder = folder("once");
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, "# nothing\n").unwrap();

    let tools = install(&folder, &requirements, &Silent).await.unwrap();
    assert!(tools.python().exists());
    let mark = folder.join("venv/mark");
    std::fs::write(&mark, "").unwrap();
    install(&folder, &requirements, &Silent).await.unwrap();
    assert!(mark.exists(), "the second run leaves the environment alone");

    std::fs::remove_file(folder.join("stamp")).unwrap();
    install(&folder, &requirements, &Silent).await.unwrap();
    assert!(!mark.exists(), "an environment without a stamp is made again");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_pip_that_cannot_install_is_one_message_and_leaves_no_stamp() {
    let folder = folder("pip");
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, "--no-index\nministack==1.5.33\n").unwrap();

    let error = install(&folder, &requirements, &Silent).await.unwrap_err().to_string();
    assert!(error.starts_with("pip could not install local AWS: "), "{error}");
    assert!(error.contains("PIP_INDEX_URL") && error.contains("pip.log"), "{error}");
    assert!(!error.contains("Traceback") && !error.contains('\n'), "{error}");
    assert!(!folder.join("stamp").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}
