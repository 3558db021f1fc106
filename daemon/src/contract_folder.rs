//! The folder of contract files: regular files of bounded size. Whoever may put a file there must not be able to show
//! another file through a link, or to hold the daemon up with a pipe or a device.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Largest contract file that is read, in bytes.
const FILE_LIMIT: u64 = 1_048_576;

/// Contract files of a folder, by name. Hidden files and other endings are not contract files.
///
/// # Errors
/// Why the folder cannot be read.
pub async fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    named(folder, |path| path.extension().is_some_and(|extension| extension == "toml" || extension == "json")).await
}

/// Files of a folder whose names are wanted, in order. Hidden files are none.
///
/// # Errors
/// Why the folder cannot be read.
pub async fn named(folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>, String> {
    let folder = folder.to_owned();
    in_a_thread(move || {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if wanted(&path) && !hidden {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    })
    .await
}

/// The text of a contract file.
///
/// # Errors
/// Why it is not taken.
pub async fn read(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(bytes(path, FILE_LIMIT).await?);
    text.map(without_mark).map_err(|_| "the file is not UTF-8 text: save it as UTF-8".into())
}

/// A text without the byte order mark that some editors put before it.
pub fn without_mark(text: String) -> String {
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// The bytes of a regular file, at most so many.
///
/// # Errors
/// Why it is not taken.
pub async fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let path = path.to_owned();
    in_a_thread(move || {
        // Not waiting matters for pipes: without it the call returns when somebody writes.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => "the file is a symbolic link; put the file itself into the folder".to_owned(),
            other => other.to_string(),
        })?;
        let file = std::fs::File::from(file);
        if !file.metadata().map_err(|error| error.to_string())?.is_file() {
            return Err("it is no regular file; put a file into the folder".into());
        }
        let mut bytes = Vec::new();
        // Its size is what can be read of it, not what it says.
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if u64::try_from(bytes.len()).is_ok_and(|size| size > most) {
            return Err(format!("the file is larger than {most} bytes"));
        }
        Ok(bytes)
    })
    .await
}

/// Files are read where they hold up nobody.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn links_pipes_devices_and_endless_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("token");
        std::fs::write(&secret, "canary").unwrap();
        let link = |name: &str, to: &Path| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        };
        link("leak.toml", &secret);
        link("zero.toml", Path::new("/dev/zero"));
        std::fs::create_dir(folder.path().join("folder.toml")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe.json"), Mode::RWXU).unwrap();
        std::fs::write(folder.path().join("long.toml"), vec![b'#'; 1_048_577]).unwrap();
        std::fs::write(folder.path().join("good.toml"), "id = 1").unwrap();
        let files = list(folder.path()).await.unwrap();
        let mut told = Vec::new();
        for file in &files {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            told.push((
                name,
                read(file).await.map_err(|reason| reason.split(' ').take(4).collect::<Vec<_>>().join(" ")),
            ));
        }
        let expected = [
            ("folder", Err("it is no regular")),
            ("good", Ok("id = 1")),
            ("leak", Err("the file is a")),
            ("long", Err("the file is larger")),
            ("pipe", Err("it is no regular")),
            ("zero", Err("the file is a")),
        ];
        let told: Vec<_> =
            told.iter().map(|(name, text)| (name.as_str(), text.as_deref().map_err(String::as_str))).collect();
        assert_eq!(told, expected);
    }
}
