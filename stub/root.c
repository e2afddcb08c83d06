/* SPDX-License-Identifier: MIT */
#include "stub/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX  40 /* as the kernel's own limit */
#define RACES_MAX  8  /* openat2 gives up with EAGAIN when a rename crosses its path */
#define WALK_FLAGS (O_PATH | O_NOFOLLOW | O_CLOEXEC)

static void close_keeping_errno(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
}

/* A path being walked: components still to go, and where we stand. */
struct walk {
	int root;
	int at; /* owned */
	int links;
	char path[2 * PATH_MAX]; /* what is left of it */
};

static bool same_file(int a, int b)
{
	struct stat sa, sb;
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static bool is_link(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Takes @fd as where we stand. */
static int stand_at(struct walk *w, int fd)
{
	if (fd < 0)
		return -1;
	close(w->at);
	w->at = fd;
	return 0;
}

static int go_to_root(struct walk *w)
{
	return stand_at(w, fcntl(w->root, F_DUPFD_CLOEXEC, 0));
}

static int go_up(struct walk *w)
{
	if (same_file(w->at, w->root))
		return 0; /* as for any process: the root is its own parent */
	return stand_at(w, openat(w->at, "..", WALK_FLAGS));
}

/* Splits off the next component; false: there is none. */
static bool next_component(struct walk *w, char name[NAME_MAX + 1])
{
	size_t skip = strspn(w->path, "/");
	size_t len = strcspn(w->path + skip, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(name, w->path + skip, len);
	name[len] = '\0';
	memmove(w->path, w->path + skip + len, strlen(w->path + skip + len) + 1);
	return true;
}

/* The link's target takes the place of the link. */
static int follow(struct walk *w, int link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);

	if (len < 0)
		return -1;
	target[len] = '\0';
	if (++w->links > LINKS_MAX || len == 0) {
		errno = ELOOP;
		return -1;
	}
	if (strlen(w->path) >= sizeof(rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(rest, w->path, strlen(w->path) + 1);
	snprintf(w->path, sizeof(w->path), "%s%s", target, rest); /* rest begins with / */
	return target[0] == '/' ? go_to_root(w) : 0;
}

static int step(struct walk *w, const char *name)
{
	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return go_up(w);
	int fd = openat(w->at, name, WALK_FLAGS);
	if (fd < 0 || !is_link(fd))
		return stand_at(w, fd);
	int result = follow(w, fd);
	close_keeping_errno(fd);
	return result;
}

static bool names_a_directory(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/*
 * The last component is opened as asked; *done says that it was, and not that a
 * link was followed and there is more to walk.
 */
static int last_step(struct walk *w, const char *name, int flags, mode_t mode, bool *done)
{
	*done = true;
	if (!(flags & O_NOFOLLOW) && !names_a_directory(name)) {
		int fd = openat(w->at, name, WALK_FLAGS);
		if (fd >= 0 && is_link(fd)) {
			int result = follow(w, fd);
			close_keeping_errno(fd);
			*done = result < 0;
			return result;
		}
		if (fd >= 0)
			close(fd);
	}
	if (names_a_directory(name)) {
		if (step(w, name) < 0)
			return -1;
		name = ".";
	}
	return openat(w->at, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int walk_path(struct walk *w, int flags, mode_t mode)
{
	char name[NAME_MAX + 1];
	bool done;

	while (next_component(w, name)) {
		bool last = w->path[strspn(w->path, "/")] == '\0';
		if (last && w->path[0] == '/')
			flags |= O_DIRECTORY; /* "dir/" */
		int result = last ? last_step(w, name, flags, mode, &done) : step(w, name);
		if (result < 0 || (last && done))
			return result;
	}
	if (w->path[strspn(w->path, "/")] != '\0') {
		errno = ENAMETOOLONG;
		return -1;
	}
	return openat(w->at, ".", flags | O_CLOEXEC, mode);
}

int root_open_walking(int root, const char *path, int flags, mode_t mode)
{
	struct walk w = { .root = root };

	if (!*path || strlen(path) >= PATH_MAX) {
		errno = *path ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	w.at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (w.at < 0)
		return -1;
	memcpy(w.path, path, strlen(path) + 1);
	int fd = walk_path(&w, flags, mode);
	close_keeping_errno(w.at);
	return fd;
}

static int open_in_root(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};
	long fd;
	int races = 0;

	do {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN && ++races < RACES_MAX);
	return (int)fd;
}

/*
 * openat2 refuses the links of /proc that are not text (/proc/PID/exe); walking
 * reads them as text, which is the best there is in another root.
 */
int root_open(int root, const char *path, int flags, mode_t mode)
{
	if (root == ROOT_OWN)
		return open(path, flags | O_CLOEXEC, mode);
	int fd = open_in_root(root, path, flags, mode);
	if (fd >= 0 || !(errno == ENOSYS || errno == EPERM || errno == ELOOP || errno == EXDEV))
		return fd;
	return root_open_walking(root, path, flags, mode);
}

static int stat_through(int root, const char *path, int flags, struct stat *ret)
{
	int fd = root_open(root, path, O_PATH | flags, 0);
	if (fd < 0)
		return -1;
	int result = fstat(fd, ret);
	close_keeping_errno(fd);
	return result;
}

int root_stat(int root, const char *path, struct stat *ret)
{
	return stat_through(root, path, 0, ret);
}

int root_lstat(int root, const char *path, struct stat *ret)
{
	return stat_through(root, path, O_NOFOLLOW, ret);
}

ssize_t root_readlink(int root, const char *path, char *buf, size_t size)
{
	int fd = root_open(root, path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return -1;
	ssize_t n = readlinkat(fd, "", buf, size);
	if (n < 0 && errno == ENOENT)
		errno = EINVAL; /* what readlink(2) says of a file that is no link */
	close_keeping_errno(fd);
	return n;
}

int root_unlink(int root, const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (root == ROOT_OWN)
		return unlink(path);
	if (strlen(path) >= sizeof(parent) || !*path) {
		errno = *path ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	snprintf(parent, sizeof(parent), "/%.*s", slash ? (int)(slash - path) : 0, path);
	int dir = root_open(root, parent, O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return -1;
	int result = unlinkat(dir, slash ? slash + 1 : path, 0);
	close_keeping_errno(dir);
	return result;
}

static bool same_mounts(pid_t pid)
{
	char path[64];
	struct stat ours, theirs;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return stat("/proc/self/ns/mnt", &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

bool root_is_ours(int root, pid_t pid)
{
	int own = open("/", O_PATH | O_CLOEXEC);
	bool same = own >= 0 && same_file(own, root) && same_mounts(pid);

	if (own >= 0)
		close(own);
	return same;
}
