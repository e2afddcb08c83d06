/* SPDX-License-Identifier: MIT */
#include "stub/act_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "stub/act.h"

static struct err *read_all(int fd, const char *path, struct buf *out)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os("reading %.80s", path);
		if (out->len + (size_t)n > ACT_SOURCE_MAX)
			return err_new(ERR_STATE, "%.60s is too large: at most %u MiB", path,
				       ACT_SOURCE_MAX >> 20);
		buf_put(out, chunk, (size_t)n);
	}
	return out->failed ? &err_nomem : NULL;
}

struct err *act_file_read(const char *path, const char *code, struct buf *out)
{
	if (code) {
		buf_puts(out, code);
		return out->failed ? &err_nomem : NULL;
	}
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_os("opening %.80s", path);
	struct err *err = read_all(fd, path, out);
	if (!is_stdin)
		close(fd);
	return err;
}
