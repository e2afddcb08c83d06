/* SPDX-License-Identifier: MIT */
/*
 * A folder of the user's in which is kept what was found out about images' code:
 * $XDG_CACHE_HOME/archerfish/unwind, else ~/.cache/archerfish/unwind.
 *
 * Only a folder that is the user's own and that nobody else can write to is used; a file counts
 * only if it is so as well.  Without one nothing is kept.  Files are replaced whole; those not used for
 * longest are removed when there are too many.
 */
#ifndef STUB_UNWIND_STORE_H
#define STUB_UNWIND_STORE_H

#include "qxfer/jit/jit.h"

#define UNWIND_STORE_FILES 32u	       /* kept at most */
#define UNWIND_STORE_MAX   (64u << 20) /* bytes of one */

/* Whose functions open the folder each time; has no state. */
extern const struct jit_store unwind_store;

/* The same with a folder of the caller's, for tests: @ctx is its path. */
bool unwind_store_load(void *ctx, const char *key, struct buf *out);
void unwind_store_save(void *ctx, const char *key, const void *data, size_t len);

#endif
