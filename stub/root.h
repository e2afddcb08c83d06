/* SPDX-License-Identifier: MIT */
/*
 * Paths as somebody else sees them: in the root directory and mount namespace of
 * another process, without entering either.
 *
 * A root is a descriptor of the directory (O_PATH will do), or ROOT_OWN for the
 * stub's own view.  Absolute links and ".." stay inside.  All of it works as
 * open(2), stat(2) and the others do: -1 and errno.
 */
#ifndef STUB_ROOT_H
#define STUB_ROOT_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define ROOT_OWN (-1)

/* O_CLOEXEC is implied. */
int root_open(int root, const char *path, int flags, mode_t mode);
int root_stat(int root, const char *path, struct stat *ret);
int root_lstat(int root, const char *path, struct stat *ret);
ssize_t root_readlink(int root, const char *path, char *buf, size_t size);
int root_unlink(int root, const char *path);

/* As root_open, without openat2(2): for kernels before 5.6, and sandboxes that hide it. */
int root_open_walking(int root, const char *path, int flags, mode_t mode);

/* Whether @pid, whose root directory is @root, sees the same files as the stub. */
bool root_is_ours(int root, pid_t pid);

#endif
