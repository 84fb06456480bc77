//! Assembles the ranks' rows into one picture.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Rows as a rank left them: every `size`th row of the picture, beginning with its rank.
struct Rows {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// Reads a binary portable pixmap with the header that `examples/job-array/render` writes.
fn read(path: &Path) -> Result<Rows> {
    let content = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let end = content.iter().position(|byte| *byte == b'\n').context("the header has no end")?;
    let header = std::str::from_utf8(&content[..end])?;
    let fields: Vec<&str> = header.split(' ').collect();
    ensure!(fields.len() == 4 && fields[0] == "P6" && fields[3] == "255", "{header:?} is not the header of a pixmap");
    let rows = Rows { width: fields[1].parse()?, height: fields[2].parse()?, pixels: content[end + 1..].to_vec() };
    ensure!(rows.pixels.len() == rows.width * rows.height * 3, "{} has not the size its header says", path.display());
    Ok(rows)
}

/// Writes the picture that the parts, in the order of ranks, make together.
pub(crate) fn assemble(parts: &[impl AsRef<Path>], to: &Path) -> Result<(usize, usize)> {
    let parts = parts.iter().map(|part| read(part.as_ref())).collect::<Result<Vec<_>>>()?;
    let width = parts.first().context("no rank left a result")?.width;
    let height = parts.iter().map(|part| part.height).sum();
    let mut pixels = vec![0; width * height * 3];
    for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
        let part = &parts[y % parts.len()];
        let start = y / parts.len() * width * 3;
        row.copy_from_slice(part.pixels.get(start..start + width * 3).context("a rank's rows are missing")?);
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(to)?), u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_woven_by_rank() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = |name: &str, rows: &[u8]| {
            let path = directory.path().join(name);
            let mut content = format!("P6 1 {} 255\n", rows.len()).into_bytes();
            content.extend(rows.iter().flat_map(|grey| [*grey; 3]));
            std::fs::write(&path, content).expect("a part");
            path
        };
        let parts = [part("0", &[1, 3, 5]), part("1", &[2, 4])];
        let picture = directory.path().join("picture.png");
        assert_eq!(assemble(&parts, &picture).expect("a picture"), (1, 5));
        let mut reader = png::Decoder::new(std::io::BufReader::new(File::open(&picture).expect("it"))).read_info().expect("PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!(pixels.chunks(3).map(|pixel| pixel[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        std::fs::write(&parts[1], "P6 1 9 255\n").expect("a damaged part");
        assert!(assemble(&parts, &picture).is_err());
    }
}
