// Package store keeps images on disk: an OCI image layout that any OCI tool can read, also while we write, and beside it
// data derived from the blobs.
//
// The nouns:
//
//   - A blob is an immutable file named by the digest of its bytes. It appears by rename, complete and on the disk.
//   - A tag is a name for a descriptor, kept as the annotation org.opencontainers.image.ref.name in index.json. That file
//     is replaced as a whole, under the exclusive lock.
//   - A lease shields what a living process has put or looked up from Prune until there is a tag for it. It is a locked
//     file, so that the system ends it with the process.
//   - A blob may be remote: not here, but recorded with the repositories that hold it. It is fetched at first need.
//   - Derived data (tables of contents, disks, the build cache) can be made again from the blobs; whoever deletes it loses
//     nothing but time.
//
// Readers take no lock and need no write permission: what they read is replaced by rename or not at all. What root makes
// in a folder of another user is given to that user, so that a store survives being used with and without sudo.
//
// Below the folder of the store:
//
//	oci-layout, index.json, blobs/   the image layout
//	mullion-version                  the version of everything else here
//	lock                             shared while blobs arrive, exclusive to change index.json and to prune
//	leases/, ingest/                 who is alive, and files on their way to becoming blobs
//	remote/                          a record for each blob that need not be here
//	derived/                         derived data, a folder for each kind
//	aside/                           damaged files that Repair took away
//	containers/                      state of containers, which nothing can derive
package store
