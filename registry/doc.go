// Package registry moves images between a store and OCI registries.
//
// A transfer walks the graph of a reference: an index names manifests, a
// manifest names its config and layers. Names, logins and the handshake with
// the registry are go-containerregistry's; blobs move by this package's own
// code, so that every byte is checked on its way into the store, a broken
// download goes on where it stopped, and an upload sends only what the
// registry neither holds nor can mount from a repository nearby.
//
// Children always arrive before what names them, on both sides: whoever finds
// a manifest finds everything it needs.
//
// The wire protocol is the OCI distribution specification, version 1.1;
// manifests are OCI image manifests and indexes or their Docker schema 2 twins.
package registry
