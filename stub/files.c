/* SPDX-License-Identifier: MIT */
#include "stub/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stub/root.h"

struct files *files_create(void)
{
	struct files *f = calloc(1, sizeof(*f));
	if (f)
		f->root = ROOT_OWN;
	return f;
}

void files_destroy(struct files *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	if (f->root != ROOT_OWN && !f->confined)
		close(f->root);
	free(f->fds);
	free(f->scratch);
	free(f);
}

static bool grow(struct files *f)
{
	size_t n = f->n ? f->n * 2 : 16;
	int *fds = n > FILES_MAX ? NULL : reallocarray(f->fds, n, sizeof(*fds));

	if (!fds)
		return false;
	for (size_t i = f->n; i < n; i++)
		fds[i] = -1;
	f->fds = fds;
	f->n = n;
	return true;
}

int files_add(struct files *f, int fd)
{
	size_t i = 0;

	while (i < f->n && f->fds[i] >= 0)
		i++;
	if (i == f->n && !grow(f)) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	f->fds[i] = fd;
	return (int)i;
}

int files_get(const struct files *f, uint64_t number)
{
	if (number < f->n && f->fds[number] >= 0)
		return f->fds[number];
	errno = EBADF;
	return -1;
}

int files_close(struct files *f, uint64_t number)
{
	int fd = files_get(f, number);
	if (fd < 0)
		return -1;
	f->fds[number] = -1;
	return close(fd);
}

static int open_root(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int files_set_root(struct files *f, pid_t pid, int root)
{
	int fd = ROOT_OWN;

	if (f->confined)
		return 0;
	if (pid) {
		fd = root >= 0 ? fcntl(root, F_DUPFD_CLOEXEC, 0) : open_root(pid);
		if (fd < 0)
			return -1;
		if (root_is_ours(fd, pid)) {
			close(fd); /* the plain way has fewer limits */
			fd = ROOT_OWN;
		}
	}
	if (f->root != ROOT_OWN)
		close(f->root);
	f->root = fd;
	return 0;
}

void files_confine(struct files *f, int root)
{
	if (f->root != ROOT_OWN && !f->confined)
		close(f->root);
	f->root = root;
	f->confined = true;
}
