//! Empty. The manifest is what counts: it asks for features, so that dependencies are compiled once.
