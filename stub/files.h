/* SPDX-License-Identifier: MIT */
/* The files that a client has open, and whose file system it means by a path. */
#ifndef STUB_FILES_H
#define STUB_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FILES_MAX 4096u

struct files {
	int root;      /* see stub/root.h; owned unless ROOT_OWN */
	bool confined; /* `root' is all there is */
	int *fds;      /* by the client's number; -1: free */
	size_t n;      /* of them */
	struct file_read {
		uint64_t number, asked_end, end; /* where the last read ended, and was to end */
		size_t window;			 /* bytes */
	} last;
	void *scratch; /* for pread: RSP_PACKET_MAX bytes, made when first needed */
};

struct files *files_create(void);    /* NULL: out of memory */
void files_destroy(struct files *f); /* closes them all; NULL is fine */

/* Takes @fd over and returns the client's number for it; -1 and errno, and @fd closed. */
int files_add(struct files *f, int fd);
/* The descriptor behind the client's @number, lent; -1 and EBADF. */
int files_get(const struct files *f, uint64_t number);
int files_close(struct files *f, uint64_t number);

/*
 * Paths are from now on those of the process @pid; 0: the stub's own.  @root is
 * a descriptor of its root directory if the caller has one, lent; else -1.
 */
int files_set_root(struct files *f, pid_t pid, int root);

/* Whatever process is named, paths are below @root from now on; it is lent. */
void files_confine(struct files *f, int root);

#endif
