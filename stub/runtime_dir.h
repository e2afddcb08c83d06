/* SPDX-License-Identifier: MIT */
/*
 * A private folder for files that a debugger on this machine opens by name.
 *
 * It is a folder of this process in the one of the user: $XDG_RUNTIME_DIR/archerfish, or
 * /run/archerfish for root, or else /tmp/archerfish-UID.  Both are of mode 0700 and owned by
 * the user; anything else in their place is not used.  It is removed when it is closed.
 * What processes that died have left there is removed by the next one: a folder is
 * in use as long as somebody has it locked (flock(2)), whatever his process id means here.
 */
#ifndef STUB_RUNTIME_DIR_H
#define STUB_RUNTIME_DIR_H

#include <stddef.h>

#include "stub/base/err.h"

struct runtime_dir;

/* ERR_OS or ERR_STATE if there is no place for it; the text names the last that was tried. */
struct err *runtime_dir_open(struct runtime_dir **ret) MUST_CHECK;
/* Removes it with all that is in it; NULL is fine. */
void runtime_dir_close(struct runtime_dir *d);

/* Its absolute path, without a slash at its end; lent. */
const char *runtime_dir_path(const struct runtime_dir *d);

/*
 * Writes a file of mode 0600; one of that name is replaced at once and whole.  @name has
 * neither a slash nor a dot in front (ERR_STATE).
 */
struct err *runtime_dir_put(struct runtime_dir *d, const char *name, const void *data,
			    size_t len) MUST_CHECK;
void runtime_dir_remove(struct runtime_dir *d, const char *name);

#endif
