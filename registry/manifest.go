package registry

// MaxManifest is the size limit of a manifest or index in bytes, the
// distribution specification's recommendation.
const MaxManifest = 4 << 20
