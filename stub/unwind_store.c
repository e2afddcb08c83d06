/* SPDX-License-Identifier: MIT */
#include "stub/unwind_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/base/io.h"

#define LISTED_MAX 4096u

static bool is_own(int fd, mode_t type)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022) &&
	       (st.st_mode & S_IFMT) == type;
}

static int open_folder(int at, const char *name)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -1;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && is_own(fd, S_IFDIR))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Where it begins is the user's choice, links and all. */
static int open_base(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (cache && *cache == '/')
		return open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = home && *home == '/' ? open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return -1;
	int below = open_folder(fd, ".cache");
	close(fd);
	return below;
}

/* -1: there is none to be used. */
static int open_store(const char *path)
{
	if (path) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && is_own(fd, S_IFDIR))
			return fd;
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int base = open_base(), ours = base < 0 ? -1 : open_folder(base, "archerfish");
	int fd = ours < 0 ? -1 : open_folder(ours, "unwind");
	if (base >= 0)
		close(base);
	if (ours >= 0)
		close(ours);
	return fd;
}

static bool is_plain(const char *key)
{
	size_t len = strlen(key);
	return len && len < NAME_MAX - 16 &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && key[0] != '-';
}

/* ---- reading ---- */

static bool read_all(int fd, struct buf *out)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > UNWIND_STORE_MAX)
		return false;
	size_t left = (size_t)st.st_size;
	uint8_t *to = buf_room(out, left + 1);
	while (to && left) {
		ssize_t n = read(fd, to, left);
		if (n <= 0)
			return false;
		to += n;
		left -= (size_t)n;
		out->len += (size_t)n;
	}
	return to != NULL;
}

bool unwind_store_load(void *ctx, const char *key, struct buf *out)
{
	int dir = is_plain(key) ? open_store(ctx) : -1;
	int fd = dir < 0 ? -1 : openat(dir, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	bool ok = fd >= 0 && is_own(fd, S_IFREG) && read_all(fd, out);

	if (ok)
		(void)futimens(fd, NULL); /* used just now */
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return ok;
}

/* ---- writing ---- */

struct oldest {
	char name[NAME_MAX + 1];
	struct timespec used;
	unsigned int n;
};

static void compare_age(int dir, const char *name, struct oldest *o)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	bool older = st.st_mtim.tv_sec < o->used.tv_sec ||
		     (st.st_mtim.tv_sec == o->used.tv_sec && st.st_mtim.tv_nsec < o->used.tv_nsec);
	if (!o->n || older) {
		snprintf(o->name, sizeof(o->name), "%s", name);
		o->used = st.st_mtim;
	}
	o->n++;
}

/* One goes for each that comes. */
static void make_room(int dir)
{
	struct oldest oldest = { .n = 0 };
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		if (copy >= 0)
			close(copy);
		return;
	}
	for (unsigned int i = 0; i < LISTED_MAX; i++) {
		const struct dirent *e = readdir(d);
		if (!e)
			break;
		if (e->d_name[0] != '.')
			compare_age(dir, e->d_name, &oldest);
	}
	closedir(d);
	if (oldest.n >= UNWIND_STORE_FILES)
		(void)unlinkat(dir, oldest.name, 0);
}

void unwind_store_save(void *ctx, const char *key, const void *data, size_t len)
{
	char part[NAME_MAX];
	int dir = is_plain(key) && len <= UNWIND_STORE_MAX ? open_store(ctx) : -1;

	if (dir < 0)
		return;
	make_room(dir);
	snprintf(part, sizeof(part), ".%d.part", (int)getpid());
	(void)unlinkat(dir, part, 0);
	int fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		bool whole = write_all(fd, data, len) && close(fd) == 0;
		if (!whole || renameat(dir, part, dir, key) < 0)
			(void)unlinkat(dir, part, 0);
	}
	close(dir);
}

const struct jit_store unwind_store = { unwind_store_load, unwind_store_save, NULL };
