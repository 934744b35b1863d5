//! Media types of files by the ends of their names: a few that every site needs, then the system's list, then the user's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is known where the system has no list: containers often have none.
const COMMON: &str = "\
text/html html htm\ntext/css css\ntext/javascript js mjs\napplication/json json map\ntext/plain txt\ntext/xml xml\n\
text/csv csv\ntext/markdown md\nimage/png png\nimage/jpeg jpg jpeg\nimage/gif gif\nimage/svg+xml svg svgz\nimage/webp webp\n\
image/avif avif\nimage/x-icon ico\nfont/woff woff\nfont/woff2 woff2\nfont/ttf ttf\nfont/otf otf\n\
application/wasm wasm\napplication/pdf pdf\napplication/zip zip\napplication/gzip gz\napplication/manifest+json webmanifest\n\
audio/mpeg mp3\naudio/ogg ogg\nvideo/mp4 mp4\nvideo/webm webm\n";

/// Where systems keep theirs; the first that is there counts.
const SYSTEM: [&str; 2] = ["/etc/mime.types", "/etc/apache2/mime.types"];

/// Media types by extension.
#[derive(Debug)]
pub(super) struct MediaTypes(HashMap<String, String>);

impl MediaTypes {
    /// Reads the lists. One that cannot be read adds nothing.
    pub(super) fn new(further: &[PathBuf]) -> MediaTypes {
        let mut types = MediaTypes(HashMap::new());
        types.add(COMMON);
        let system = SYSTEM.iter().find_map(|path| std::fs::read_to_string(path).ok());
        types.add(&system.unwrap_or_default());
        for path in further {
            types.add(&std::fs::read_to_string(path).unwrap_or_default());
        }
        types
    }

    /// Adds lines of a media type and its extensions.
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            // What would break the field it goes into is no media type.
            let Some(name) = words
                .next()
                .filter(|name| name.contains('/') && name.bytes().all(|b| b.is_ascii_graphic()))
            else {
                continue;
            };
            self.0
                .extend(words.map(|extension| (extension.to_lowercase(), name.to_owned())));
        }
    }

    /// The media type of a file; `None` where nothing is known of it.
    pub(super) fn of(&self, path: &Path) -> Option<&str> {
        let extension = path.extension()?.to_str()?.to_lowercase();
        self.0.get(&extension).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_that_knows_an_extension_counts() {
        let mut types = MediaTypes(HashMap::new());
        types.add(COMMON);
        types.add("# comment\ntext/x-own  css own # more\nbroken\n\u{1}/x odd\n");
        for (name, expected) in [
            ("a.css", Some("text/x-own")),
            ("a.own", Some("text/x-own")),
            ("dir.d/A.PNG", Some("image/png")),
            ("a.tar.gz", Some("application/gzip")),
            ("a", None),
            ("a.odd", None),
            (".css", None),
        ] {
            assert_eq!(types.of(Path::new(name)), expected, "{name}");
        }
    }
}
