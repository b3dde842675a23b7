//! Pictures of a domain's screen.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader};
use uuid::Uuid;
use virt::stream::Stream;

use super::Hypervisor;
use super::errors::Libvirt;
use crate::error::{Context, Error, Result};

/// Bytes of one picture; the largest screens need less.
const PICTURE_LIMIT: usize = 64 << 20;
const PIECE: usize = 256 << 10;

impl Hypervisor {
    /// A PNG, at most `width` pixels wide.
    ///
    /// # Errors
    /// `domain-not-running`.
    pub fn screenshot(&self, uuid: Uuid, width: u32) -> Result<Vec<u8>> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        let name = &metadata.spec.owner.name;
        let stream = Stream::new(&self.inner.connect()?, 0).libvirt("open a stream for", name)?;
        domain.screenshot(&stream, 0, 0).libvirt("take a picture of", name)?;
        let picture = receive(stream, name)?;
        scaled_png(&picture, width)
    }
}

fn receive(stream: Stream, name: &str) -> Result<Vec<u8>> {
    let mut picture = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = stream.recv(&mut piece).libvirt("receive a picture of", name)?;
        let count = usize::try_from(count)
            .map_err(|cause| Error::internal(format_args!("receive a picture: {cause}")))?;
        if count == 0 {
            break;
        }
        picture.extend_from_slice(&piece[..count]);
        if picture.len() > PICTURE_LIMIT {
            stream.abort().libvirt("stop a picture of", name)?;
            return Err(Error::internal("a picture larger than any screen"));
        }
    }
    stream.finish().libvirt("end a picture of", name)?;
    Ok(picture)
}

/// QEMU gives a PNG or, when it is older, a PPM.
fn scaled_png(picture: &[u8], width: u32) -> Result<Vec<u8>> {
    let reader = ImageReader::new(Cursor::new(picture))
        .with_guessed_format()
        .context("look at a picture of a screen")?;
    let is_png = reader.format() == Some(ImageFormat::Png);
    let image = reader.decode().context("read a picture of a screen")?;
    if is_png && image.width() <= width {
        return Ok(picture.to_vec());
    }
    let image = if image.width() > width { shrunk(&image, width) } else { image };
    let mut png = Cursor::new(Vec::new());
    image.to_rgb8().write_to(&mut png, ImageFormat::Png).context("write a picture of a screen")?;
    Ok(png.into_inner())
}

fn shrunk(image: &DynamicImage, width: u32) -> DynamicImage {
    let width = width.max(1);
    let height = (u64::from(image.height()) * u64::from(width) / u64::from(image.width())).max(1);
    // Averages what falls into a pixel: text stays recognisable and it takes milliseconds.
    image.thumbnail_exact(width, u32::try_from(height).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ppm_becomes_a_smaller_png() {
        let mut ppm = b"P6 8 4 255\n".to_vec();
        ppm.extend_from_slice(&[200; 8 * 4 * 3]);
        let png = scaled_png(&ppm, 4).unwrap();
        let image = image::load_from_memory_with_format(&png, ImageFormat::Png).unwrap();
        assert_eq!((image.width(), image.height()), (4, 2));
        assert_eq!(image.to_rgb8().get_pixel(0, 0).0, [200; 3]);
    }
}
