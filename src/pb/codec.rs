//! How messages travel: as prost has it, but for bytes that are no message of the expected type. Those are a client's
//! mistake, and named as one; the library would answer INTERNAL, with its own text.

use std::collections::HashMap;
use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{ERROR_DOMAIN, ErrorReason};

/// The codec of every generated client and server.
#[derive(Debug, Clone)]
pub struct MessageCodec<T, U>(PhantomData<(T, U)>);

/// The reading half of [`MessageCodec`].
#[derive(Debug)]
pub struct MessageDecoder<U>(ProstDecoder<U>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(ProstDecoder::default())
    }
}

impl<U: Message + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(buf).map_err(|_| {
            let mut details = ErrorDetails::new();
            details.set_error_info(ErrorReason::Validation.as_reason(), ERROR_DOMAIN, HashMap::new());
            let text = "the bytes are no message of this method's type";
            Status::with_error_details(Code::InvalidArgument, text, details)
        })
    }
}
