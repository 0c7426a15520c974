//! How messages become bytes: as tonic does it, with smaller buffers. The buffers of 8 KiB that tonic begins with are
//! allocated twice a call, or four times if a JSON API is in between, and our messages have a few hundred bytes.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// The buffer that a message begins with, which holds most of ours. It grows when a message is larger.
const USUAL_BYTES: usize = 512;

/// A stream hands on what it has encoded once it is this large: tonic's own figure.
const YIELD_BYTES: usize = 32 * 1_024;

/// The settings that every call begins with.
pub fn small() -> BufferSettings {
    BufferSettings::new(USUAL_BYTES, YIELD_BYTES)
}

/// A [`ProstCodec`] with small buffers.
#[derive(Debug, Clone)]
pub struct SmallCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SmallCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SmallCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(small())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(small())
    }
}
