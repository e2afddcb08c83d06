/* SPDX-License-Identifier: MIT */
#include "stub/target/core_packed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "stub/target/core_file.h"

#define PIECE	  (256u << 10) /* bytes that are read and written at once */
#define BLOCK	  4096u	       /* of zeros: a hole */
#define SLACK	  (1u << 20)   /* bytes after the last that the headers speak of */
#define SAY_AFTER 1.0	       /* seconds */
#define SAY_AGAIN 5.0

struct unpacking {
	const struct core_packing *how;
	void *state;
	int from, to;
	const char *folder;	   /* where `to' is */
	uint64_t from_size, taken; /* bytes of the compressed file: all, and those behind us */
	uint64_t made;		   /* bytes of the core so far, */
	uint64_t stored;	   /* and of those that are no holes */
	uint64_t room;		   /* bytes that may be stored */
	uint64_t expected;	   /* that the core's headers speak of; 0: not known yet */
	bool quiet;
	double started, said;
	uint8_t in[PIECE], out[PIECE];
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- where it goes ---- */

static int open_nameless(const char *folder)
{
	char path[PATH_MAX];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	if (fd >= 0 || snprintf(path, sizeof(path), "%s/archerfish.XXXXXX", folder) >= PATH_MAX)
		return fd;
	fd = mkostemp(path, O_CLOEXEC); /* a file system without such files */
	if (fd >= 0)
		unlink(path);
	return fd;
}

static struct err *open_to(struct unpacking *u)
{
	const char *folders[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	struct statvfs fs;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && u->to < 0; i++) {
		u->folder = folders[i];
		if (u->folder && *u->folder)
			u->to = open_nameless(u->folder);
	}
	if (u->to < 0 || fstatvfs(u->to, &fs) != 0)
		return err_os("making a file to unpack it to");
	uint64_t avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	u->room = avail > CORE_UNPACKED_GAP ? avail - CORE_UNPACKED_GAP : 0;
	return NULL;
}

/* ---- how much it may be ---- */

/* Once all program headers are there: where the last byte is that they speak of. */
static struct err *expect(struct unpacking *u)
{
	struct core_file f;
	struct core_phdr ph;
	uint64_t end;

	if (ftruncate(u->to, (off_t)u->made) != 0)
		return err_os("writing what it unpacks to");
	struct err *err = core_file_open(u->to, &f);
	if (err)
		return err;
	if (f.type != ET_CORE)
		err = err_new(ERR_BAD_DATA, "ELF type %u at offset 0x10: it is no core", f.type);
	uint64_t most = f.phoff;
	for (uint32_t i = 0; i < f.nph && !err; i++) {
		err = core_file_phdr(&f, i, &ph);
		if (!err && !__builtin_add_overflow(ph.offset, ph.filesz, &end) && end > most)
			most = end;
	}
	core_file_close(&f);
	if (!err)
		u->expected = most + SLACK;
	return err;
}

/*
 * Of what is no core the first bytes tell.  The headers mostly come first, and if they
 * do not it is looked for them at each power of two.
 */
static struct err *check_made(struct unpacking *u, size_t more)
{
	uint64_t before = u->made - more;
	bool due = before < sizeof(Elf64_Ehdr) || (before ^ u->made) > before;
	struct err *err = NULL;

	if (!u->expected && due && u->made >= sizeof(Elf64_Ehdr)) {
		err = expect(u);
		/* The table may be still to come. */
		if (err && strstr(err->msg, "is cut off")) {
			err_drop(err);
			err = NULL;
		}
	}
	if (err)
		return err;
	if (u->expected && u->made > u->expected)
		return err_new(ERR_BAD_DATA,
			       "it unpacks to more than its headers say: 0x%" PRIx64 " bytes",
			       u->expected - SLACK);
	if (u->made > CORE_UNPACKED_MAX)
		return err_new(ERR_BAD_DATA, "it unpacks to more than 0x%" PRIx64 " bytes",
			       CORE_UNPACKED_MAX);
	return NULL;
}

/* ---- writing ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
	return !*p && memcmp(p, p + 1, len - 1) == 0;
}

static struct err *write_all(struct unpacking *u, const uint8_t *p, size_t len, uint64_t at)
{
	if (len > u->room - u->stored)
		return err_new(ERR_STATE,
			       "no room in %.60s for what it unpacks to: 0x%" PRIx64
			       " bytes so far",
			       u->folder, u->made);
	u->stored += len;
	while (len) {
		ssize_t n = pwrite(u->to, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_os("writing what it unpacks to in %.60s", u->folder);
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

/* Blocks of zeros are left out, and are holes. */
static struct err *put(struct unpacking *u, size_t len)
{
	uint64_t at = u->made;
	struct err *err = NULL;

	for (size_t i = 0; i < len && !err;) {
		size_t n = BLOCK - (size_t)((at + i) % BLOCK);
		n = n < len - i ? n : len - i;
		if (!is_zero(u->out + i, n))
			err = write_all(u, u->out + i, n, at + i);
		i += n;
	}
	u->made += len;
	return err ? err : check_made(u, len);
}

/* ---- reading ---- */

static void say(struct unpacking *u)
{
	double t = now();

	if (t - u->started < SAY_AFTER || t - u->said < SAY_AGAIN ||
	    (u->quiet && !isatty(STDERR_FILENO)))
		return;
	u->said = t;
	fprintf(stderr, "Unpacking the core: %u%%, %" PRIu64 " MiB\n",
		(unsigned int)(u->from_size ? u->taken * 100 / u->from_size : 0), u->made >> 20);
}

/* Everything that the @len bytes in u->in give; *ended: and a stream ends with them. */
static struct err *unpack_piece(struct unpacking *u, size_t len, bool *ended)
{
	struct core_step s = { .in = u->in, .in_len = len, .last = !len };

	for (;;) {
		size_t before = s.in_len;
		s.out = u->out;
		s.out_len = sizeof(u->out);
		u->how->step(u->state, &s);
		u->taken += before - s.in_len;
		if (s.fault)
			return err_new(ERR_BAD_DATA, "%s near offset 0x%" PRIx64 ": %s",
				       u->how->name, u->taken, s.fault);
		/* With nothing to take it may say so of what comes next. */
		if (before || s.out != u->out || s.end)
			*ended = s.end;
		struct err *err = put(u, sizeof(u->out) - s.out_len);
		if (err || (s.in_len == before && s.out == u->out))
			return err;
		say(u);
	}
}

static struct err *unpack_all(struct unpacking *u)
{
	bool ended = false;

	for (;;) {
		ssize_t n = pread(u->from, u->in, sizeof(u->in), (off_t)u->taken);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os("reading it");
		uint64_t before = u->taken;
		struct err *err = unpack_piece(u, (size_t)n, &ended);
		if (err)
			return err;
		if (!n || u->taken == before)
			break;
	}
	if (ftruncate(u->to, (off_t)u->made) != 0)
		return err_os("writing what it unpacks to");
	if (!ended && !u->quiet)
		fprintf(stderr, "Warning: the compressed core is cut off at offset 0x%" PRIx64 "\n",
			u->taken);
	return NULL;
}

static struct err *unpack(const struct core_packing *how, int fd, bool quiet, int *ret)
{
	struct stat st = { 0 };

	if (how->library)
		return err_new(
			ERR_UNSUPPORTED,
			"it is compressed with %s, and this archerfish was built without %s; "
			"unpack it before",
			how->name, how->library);
	struct unpacking *u = calloc(1, sizeof(*u));
	if (!u)
		return &err_nomem;
	u->how = how;
	u->from = fd;
	u->to = -1;
	u->quiet = quiet;
	u->started = now();
	u->said = -SAY_AGAIN;
	if (fstat(fd, &st) == 0)
		u->from_size = (uint64_t)st.st_size;
	u->state = how->begin();
	struct err *err = u->state ? open_to(u) : &err_nomem;
	if (!err)
		err = unpack_all(u);
	if (u->state)
		how->finish(u->state);
	if (err && u->to >= 0)
		close(u->to);
	*ret = err ? -1 : u->to;
	free(u);
	return err;
}

struct err *core_unpack(int fd, bool quiet, int *ret)
{
	uint8_t head[sizeof(core_packings->magic)];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	*ret = -1;
	for (const struct core_packing *p = core_packings; n > 0 && p->name; p++)
		if (n >= p->magic_len && memcmp(head, p->magic, p->magic_len) == 0)
			return unpack(p, fd, quiet, ret);
	return NULL;
}
