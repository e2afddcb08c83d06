/* SPDX-License-Identifier: MIT */
/*
 * The machine that the stub runs on, as /proc shows it: what osdata tells.
 *
 * Processes come and go while they are listed, and are others' business: what
 * cannot be read of one is left out.  All text is untrusted and bounded.
 */
#ifndef QXFER_HOST_H
#define QXFER_HOST_H

#include <sys/types.h>

#include "stub/base/buf.h"

#define HOST_FILE_MAX (4u << 20)

/* Appends a file's text and a NUL; false if it cannot be read (or is cut off at HOST_FILE_MAX). */
bool host_text(const char *path, struct buf *out);

/* The numbers among a folder's names, ascending; none if it cannot be read. */
struct host_ids {
	unsigned int *id; /* owned */
	size_t n, cap;
};
bool host_list(const char *folder, struct host_ids *ret); /* false: out of memory */
void host_ids_deinit(struct host_ids *l);
#define _cleanup_host_ids_ __attribute__((cleanup(host_ids_deinit)))

/* /proc/PID/task/TID/stat: proc(5). */
struct host_stat {
	char comm[64];
	unsigned int pgrp;
	unsigned int core;
};
bool host_stat(unsigned int pid, unsigned int tid, struct host_stat *ret);

/*
 * The command line, words separated by spaces; "[comm]" for a kernel thread.
 * 4095 bytes at most.
 */
void host_command(unsigned int pid, const char *comm, struct buf *out);

/*
 * Names of users or groups, from the text files alone: asking NSS would load
 * libraries into the stub.
 */
struct host_name {
	unsigned int id;
	char name[33];
};
struct host_names {
	struct host_name *name; /* owned */
	size_t n, cap;
};
void host_users(struct host_names *ret);
void host_groups(struct host_names *ret);
void host_names_deinit(struct host_names *l);
#define _cleanup_host_names_ __attribute__((cleanup(host_names_deinit)))

/* The name of @id, or the number written to @room; lent. */
const char *host_name_of(const struct host_names *l, unsigned int id, char room[16]);

#endif
