/* SPDX-License-Identifier: MIT */
#include "stub/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/base/io.h"

#define TRIES	  100u	/* to make a folder that others make or remove at the same time */
#define STALE_MAX 1000u /* entries that are looked at */

struct runtime_dir {
	int base, own; /* descriptors; own is locked */
	char name[32]; /* of own in base */
	char base_path[PATH_MAX];
	char path[PATH_MAX + 32];
};

/* ---- folders that are ours ---- */

/* A folder at @path that nobody else can look into; made if need be.  -1 and errno. */
static int open_private(int at, const char *path)
{
	struct stat st;
	if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
		return -1;
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

static bool is_locked(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Whether @fd still is what has that name. */
static bool is_there(int at, const char *name, int fd)
{
	struct stat st, own;
	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &own) == 0 &&
	       st.st_dev == own.st_dev && st.st_ino == own.st_ino;
}

/* ---- removing ---- */

/* Calls @visit for the names in a folder but "." and "..", STALE_MAX at most. */
static void for_each_name(int fd, void (*visit)(int fd, const char *name))
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		if (again >= 0)
			close(again);
		return;
	}
	const struct dirent *e;
	for (unsigned int n = 0; n < STALE_MAX && (e = readdir(d)); n++)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			visit(fd, e->d_name);
	closedir(d);
}

static void remove_file(int fd, const char *name)
{
	(void)unlinkat(fd, name, 0);
}

static void remove_dir(int base, const char *name, int fd)
{
	for_each_name(fd, remove_file);
	(void)unlinkat(base, name, AT_REMOVEDIR);
}

/* Nobody has it locked: who made it is gone, or has not locked it yet and will see this. */
static void remove_if_stale(int base, const char *name)
{
	int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!is_locked(fd))
		remove_dir(base, name, fd);
	close(fd);
}

/* ---- making ---- */

static struct err *make_own(struct runtime_dir *d)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		snprintf(d->name, sizeof(d->name), "%d.%u", (int)getpid(), i);
		if (mkdirat(d->base, d->name, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			break;
		}
		d->own = openat(d->base, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (d->own >= 0 && !is_locked(d->own) && is_there(d->base, d->name, d->own))
			return NULL;
		if (d->own >= 0)
			close(d->own);
		d->own = -1;
	}
	return err_os("making a folder in %.60s", d->base_path);
}

/* The user's folder may be removed by another of his processes that ends. */
static struct err *try_base(struct runtime_dir *d)
{
	struct err *err = NULL;
	for (int i = 0; i < 3; i++) {
		err_drop(err);
		d->base = open_private(AT_FDCWD, d->base_path);
		if (d->base < 0)
			return err_os("the folder %.60s is no private one", d->base_path);
		for_each_name(d->base, remove_if_stale);
		err = make_own(d);
		if (!err)
			return NULL;
		close(d->base);
		d->base = -1;
		if (err->code != ERR_OS || err->os_errno != ENOENT)
			break;
	}
	return err;
}

/* The places in their order; false: there are no more. */
static bool put_base_path(struct runtime_dir *d, int i)
{
	const char *xdg = secure_getenv("XDG_RUNTIME_DIR");
	int n = -1;

	if (i == 0 && xdg && xdg[0] == '/')
		n = snprintf(d->base_path, PATH_MAX, "%s/archerfish", xdg);
	else if (i == 1 && geteuid() == 0)
		n = snprintf(d->base_path, PATH_MAX, "/run/archerfish");
	else if (i == 2)
		n = snprintf(d->base_path, PATH_MAX, "/tmp/archerfish-%u", (unsigned int)geteuid());
	if (n < 0 || n >= PATH_MAX)
		d->base_path[0] = '\0';
	return i <= 2;
}

struct err *runtime_dir_open(struct runtime_dir **ret)
{
	struct runtime_dir *d = calloc(1, sizeof(*d));
	struct err *err = NULL;
	if (!d)
		return &err_nomem;
	d->base = d->own = -1;
	for (int i = 0; put_base_path(d, i); i++) {
		if (!d->base_path[0])
			continue;
		err_drop(err);
		err = try_base(d);
		if (!err) {
			snprintf(d->path, sizeof(d->path), "%s/%s", d->base_path, d->name);
			*ret = d;
			return NULL;
		}
	}
	free(d);
	return err;
}

void runtime_dir_close(struct runtime_dir *d)
{
	if (!d)
		return;
	remove_dir(d->base, d->name, d->own);
	close(d->own);
	close(d->base);
	(void)rmdir(d->base_path); /* if it was the last */
	free(d);
}

const char *runtime_dir_path(const struct runtime_dir *d)
{
	return d->path;
}

/* ---- files ---- */

struct err *runtime_dir_put(struct runtime_dir *d, const char *name, const void *data, size_t len)
{
	if (!name[0] || name[0] == '.' || strchr(name, '/'))
		return err_new(ERR_STATE, "\"%.60s\" is no name of a file", name);
	int fd =
		openat(d->own, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_os("writing %.60s/%.30s", d->path, name);
	bool ok = write_all(fd, data, len);
	struct err *err = ok ? NULL : err_os("writing %.60s/%.30s", d->path, name);
	if (close(fd) < 0 && !err)
		err = err_os("writing %.60s/%.30s", d->path, name);
	if (!err && renameat(d->own, ".new", d->own, name) < 0)
		err = err_os("naming %.60s/%.30s", d->path, name);
	if (err)
		(void)unlinkat(d->own, ".new", 0);
	return err;
}

void runtime_dir_remove(struct runtime_dir *d, const char *name)
{
	if (name[0] && name[0] != '.' && !strchr(name, '/'))
		(void)unlinkat(d->own, name, 0);
}
