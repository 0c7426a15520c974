//! The codec of the services: tonic's with smaller buffers. tonic allocates a buffer of 8 KiB twice for each call, and
//! four times behind a JSON API, although the messages have a few hundred bytes.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// The initial size of a buffer. It grows for a larger message.
const INITIAL_BYTES: usize = 512;

/// The number of encoded bytes of a stream after which they are sent before the next message is encoded: tonic's
/// default.
const YIELD_BYTES: usize = 32 * 1_024;

/// Returns the settings of the buffers of every call.
pub fn small() -> BufferSettings {
    BufferSettings::new(INITIAL_BYTES, YIELD_BYTES)
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
