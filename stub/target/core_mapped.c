/* SPDX-License-Identifier: MIT */
/*
 * The files that were mapped, by NT_FILE: three words of the machine for each mapping, then
 * as many names (Linux, fs/binfmt_elf.c, fill_files_note()).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stub/target/core_priv.h"

#define HEAD_WORDS 2u /* how many, and the unit of the offsets */
#define ROW_WORDS  3u

static uint64_t word(const struct core *c, size_t i)
{
	return core_word(c, c->nt_file, i);
}

static size_t bytes_of(const struct core *c, size_t words)
{
	return words * c->machine->word;
}

static struct err *bad(const struct core *c, size_t at, const char *what)
{
	return err_new(ERR_BAD_DATA, "the list of mapped files %s at offset 0x%" PRIx64, what,
		       c->nt_file_at.offset + at);
}

/* ---- the list ---- */

static struct err *read_row(struct core *c, size_t i, uint64_t unit, struct core_mapped *ret)
{
	size_t row = HEAD_WORDS + i * ROW_WORDS;

	*ret = (struct core_mapped){ .start = word(c, row),
				     .end = word(c, row + 1),
				     .file = (uint32_t)i };
	if (ret->end <= ret->start)
		return bad(c, bytes_of(c, row), "has a mapping that ends before it begins");
	uint64_t len = ret->end - ret->start;
	if (len > INT64_MAX || __builtin_mul_overflow(word(c, row + 2), unit, &ret->offset) ||
	    ret->offset > INT64_MAX - len)
		return bad(c, bytes_of(c, row + 2), "has an offset beyond all files");
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct core_mapped *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

/* The names follow the rows, each with a NUL. */
static struct err *read_names(struct core *c, const char **names)
{
	size_t at = bytes_of(c, HEAD_WORDS + c->nmapped * ROW_WORDS);

	for (size_t i = 0; i < c->nmapped; i++) {
		const char *name = (const char *)c->nt_file + at;
		size_t len = strnlen(name, c->nt_file_at.size - at);
		if (at + len == c->nt_file_at.size)
			return bad(c, at, "lacks a name, or the end of one,");
		names[i] = name;
		at += len + 1;
	}
	return NULL;
}

static int by_name(const void *a, const void *b, void *arg)
{
	const char *const *names = arg;
	return strcmp(names[((const struct core_mapped *)a)->file],
		      names[((const struct core_mapped *)b)->file]);
}

/* Mappings of one name are of one file. */
static struct err *number_files(struct core *c, const char **names)
{
	c->mapped_file = calloc(c->nmapped, sizeof(*c->mapped_file));
	if (!c->mapped_file)
		return &err_nomem;
	qsort_r(c->mapped, c->nmapped, sizeof(*c->mapped), by_name, names);
	for (size_t i = 0; i < c->nmapped; i++) {
		struct core_mapped *m = &c->mapped[i];
		const char *name = names[m->file];
		if (!i || strcmp(c->mapped_file[c->nfiles - 1].path, name) != 0)
			c->mapped_file[c->nfiles++] = (struct core_mapped_file){ .path = name,
										 .base = UINT64_MAX,
										 .fd = -1 };
		m->file = (uint32_t)c->nfiles - 1;
		struct core_mapped_file *f = &c->mapped_file[m->file];
		if (!m->offset && m->start < f->base)
			f->base = m->start;
	}
	return NULL;
}

static struct err *check_order(struct core *c)
{
	qsort(c->mapped, c->nmapped, sizeof(*c->mapped), by_start);
	for (size_t i = 1; i < c->nmapped; i++)
		if (c->mapped[i].start < c->mapped[i - 1].end)
			return err_new(ERR_BAD_DATA,
				       "the list of mapped files at offset 0x%" PRIx64
				       " has two at address 0x%" PRIx64,
				       c->nt_file_at.offset, c->mapped[i].start);
	return NULL;
}

static struct err *read_list(struct core *c, uint64_t unit)
{
	const char **names = calloc(c->nmapped, sizeof(*names));
	struct err *err = names ? NULL : &err_nomem;

	for (size_t i = 0; i < c->nmapped && !err; i++)
		err = read_row(c, i, unit, &c->mapped[i]);
	if (!err)
		err = read_names(c, names);
	if (!err)
		err = number_files(c, names);
	free(names);
	return err ? err : check_order(c);
}

struct err *core_index_mapped(struct core *c)
{
	c->program = CORE_ANY_FILE;
	if (!c->nt_file_at.size)
		return NULL;
	if (c->nt_file_at.size < bytes_of(c, HEAD_WORDS))
		return bad(c, 0, "is cut off");
	uint64_t n = word(c, 0);
	if (n > (c->nt_file_at.size - bytes_of(c, HEAD_WORDS)) / (bytes_of(c, ROW_WORDS) + 1))
		return bad(c, 0, "is shorter than it says");
	if (!n)
		return NULL;
	c->mapped = calloc(n, sizeof(*c->mapped));
	if (!c->mapped)
		return &err_nomem;
	c->nmapped = (size_t)n;
	struct err *err = read_list(c, word(c, 1));
	if (err)
		return err;
	const struct core_mapped *entry = core_find_mapped(c, core_auxv(c, AT_ENTRY));
	if (entry)
		c->program = entry->file;
	return NULL;
}

const struct core_mapped *core_find_mapped(const struct core *c, uint64_t addr)
{
	size_t lo = 0, hi = c->nmapped;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (addr >= c->mapped[mid].end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->nmapped && addr >= c->mapped[lo].start ? &c->mapped[lo] : NULL;
}

/* ---- the files as they are now ---- */

static int open_below(const struct core *c, const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	const struct open_how how = {
		.flags = flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	if (path[0] != '/')
		return -1;
	if (!c->own_root)
		return open(path, flags);
	return (int)syscall(SYS_openat2, c->root, path, &how, sizeof(how));
}

/* What has been replaced may have been so by the same. */
static int open_deleted(const struct core *c, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path), tail = sizeof(deleted) - 1;

	if (len <= tail || strcmp(path + len - tail, deleted) != 0)
		return -1;
	char *name = strndup(path, len - tail);
	int fd = name ? open_below(c, name) : -1;
	free(name);
	return fd;
}

int core_open_file(struct core *c, uint32_t file)
{
	const char *path = c->mapped_file[file].path;
	struct stat st;
	int fd;

	if (c->exe && file == c->program) {
		fd = open(c->exe, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	} else {
		fd = open_below(c, path);
		if (fd < 0)
			fd = open_deleted(c, path);
	}
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static size_t take_id(struct err *err, struct core_file *f, uint8_t id[CORE_BUILD_ID_MAX])
{
	if (err) {
		err_drop(err); /* data, or an ELF file of another kind */
		return 0;
	}
	size_t n = core_file_build_id(f, id, CORE_BUILD_ID_MAX);
	core_file_close(f);
	return n;
}

static size_t id_of_file(int fd, uint8_t id[CORE_BUILD_ID_MAX])
{
	struct core_file f;
	return take_id(core_file_open(fd, &f), &f, id);
}

/* Linux keeps the first page of an ELF file in the core, and in it is mostly the build-id. */
static size_t id_in_core(struct core *c, uint64_t base, uint8_t id[CORE_BUILD_ID_MAX])
{
	const struct core_mapped *m = core_find_mapped(c, base);
	struct core_file f;

	if (base == UINT64_MAX || !m)
		return 0;
	return take_id(core_file_open_mapped(&c->raw, base, m->end - base, &f), &f, id);
}

static enum core_verdict compare(struct core *c, const struct core_mapped_file *f, int fd)
{
	uint8_t now[CORE_BUILD_ID_MAX], then[CORE_BUILD_ID_MAX];
	size_t n = id_of_file(fd, now);

	if (!n)
		return CORE_NO_ID;
	size_t m = id_in_core(c, f->base, then);
	if (!m)
		return CORE_NO_ID_IN_CORE;
	return m == n && memcmp(now, then, n) == 0 ? CORE_SAME : CORE_OTHER_ID;
}

/* Of many one is given up for the next. */
static void keep_open(struct core *c, uint32_t file, int fd)
{
	uint32_t *slot = &c->open[c->next_open++ % CORE_OPEN_MAX];

	if (*slot) {
		close(c->mapped_file[*slot - 1].fd);
		c->mapped_file[*slot - 1].fd = -1;
	}
	*slot = file + 1;
	c->mapped_file[file].fd = fd;
}

int core_mapped_fd(struct core *c, uint32_t file)
{
	struct core_mapped_file *f = &c->mapped_file[file];

	if (f->fd >= 0 || (f->verdict != CORE_UNKNOWN && f->verdict != CORE_SAME))
		return f->fd;
	int fd = core_open_file(c, file);
	if (fd < 0 && f->verdict == CORE_SAME)
		return -1; /* no descriptor just now */
	/* Looked at again each time: the path may lead elsewhere by now. */
	f->verdict = fd < 0 ? CORE_NO_FILE : compare(c, f, fd);
	if (f->verdict == CORE_SAME)
		keep_open(c, file, fd);
	else if (fd >= 0)
		close(fd);
	return f->fd;
}

void core_close_mapped(struct core *c)
{
	for (size_t i = 0; i < c->nfiles; i++)
		if (c->mapped_file[i].fd >= 0)
			close(c->mapped_file[i].fd);
	free(c->mapped_file);
	free(c->mapped);
}
