/* SPDX-License-Identifier: MIT */
#include "stub/target/core_file.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID_MAX 64u

/* ---- bytes ---- */

size_t core_file_read_some(const struct core_file *f, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;

	if (offset >= f->size)
		return 0;
	if (len > f->size - offset)
		len = (size_t)(f->size - offset);
	if (f->mem)
		return mem_read_some(f->mem, f->base + offset, buf, len);
	while (done < len) {
		ssize_t n = pread(f->fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static struct err *missing(const struct core_file *f, const char *what, uint64_t offset)
{
	return err_new(ERR_BAD_DATA,
		       "%s at offset 0x%" PRIx64 " is cut off: the file has 0x%" PRIx64 " bytes",
		       what, offset, f->size);
}

struct err *core_file_read(const struct core_file *f, const char *what, uint64_t offset, void *buf,
			   size_t len)
{
	return core_file_read_some(f, offset, buf, len) == len ? NULL : missing(f, what, offset);
}

/* Small pieces one after the other, by few system calls. */
static struct err *read_near(struct core_file *f, const char *what, uint64_t offset, void *buf,
			     size_t len)
{
	if (offset < f->at || offset - f->at > f->len || len > f->len - (size_t)(offset - f->at)) {
		f->at = offset;
		f->len = core_file_read_some(f, offset, f->window, CORE_WINDOW);
		if (f->len < len)
			return missing(f, what, offset);
	}
	memcpy(buf, f->window + (offset - f->at), len);
	return NULL;
}

/* ---- headers ---- */

/* The ELF header, as much of it as is used, of either class. */
struct header {
	uint64_t phoff, shoff;
	uint16_t type, machine, phentsize, phnum;
};

static struct err *check_ident(const uint8_t *ident)
{
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return err_new(ERR_BAD_DATA, "it is no ELF file");
	if (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)
		return err_new(ERR_BAD_DATA,
			       "ELF class %u at offset 0x4: only 32-bit and 64-bit files are read",
			       ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return err_new(ERR_BAD_DATA,
			       "ELF byte order %u at offset 0x5: only little-endian files are read",
			       ident[EI_DATA]);
	return NULL;
}

/* Of either class: their fields have the same names. */
#define HEADER_OF(eh)                                    \
	((struct header){ .phoff = (eh).e_phoff,         \
			  .shoff = (eh).e_shoff,         \
			  .type = (eh).e_type,           \
			  .machine = (eh).e_machine,     \
			  .phentsize = (eh).e_phentsize, \
			  .phnum = (eh).e_phnum })
#define PHDR_OF(ph)                                   \
	((struct core_phdr){ .type = (ph).p_type,     \
			     .flags = (ph).p_flags,   \
			     .vaddr = (ph).p_vaddr,   \
			     .memsz = (ph).p_memsz,   \
			     .offset = (ph).p_offset, \
			     .filesz = (ph).p_filesz })

static const char the_header[] = "the ELF header";

static struct err *load_header(struct core_file *f, struct header *ret)
{
	uint8_t ident[EI_NIDENT];
	struct err *err = core_file_read(f, the_header, 0, ident, sizeof(ident));
	if (!err)
		err = check_ident(ident);
	if (err)
		return err;
	union {
		Elf64_Ehdr wide;
		Elf32_Ehdr narrow;
	} eh;
	bool wide = ident[EI_CLASS] == ELFCLASS64;
	f->word = wide ? 8 : 4;
	err = core_file_read(f, the_header, 0, &eh, wide ? sizeof(eh.wide) : sizeof(eh.narrow));
	if (!err)
		*ret = wide ? HEADER_OF(eh.wide) : HEADER_OF(eh.narrow);
	return err;
}

static size_t phdr_size(const struct core_file *f)
{
	return f->word == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

/* A count that does not fit the header stands in the first section header. */
static struct err *count_phdrs(struct core_file *f, const struct header *h)
{
	size_t at = f->word == 8 ? offsetof(Elf64_Shdr, sh_info) : offsetof(Elf32_Shdr, sh_info);

	f->nph = h->phnum;
	if (h->phnum == PN_XNUM) {
		struct err *err = core_file_read(
			f, "the section header with the number of segments",
			h->shoff > INT64_MAX ? INT64_MAX : h->shoff + at, &f->nph, sizeof(f->nph));
		if (err)
			return err;
	}
	if (f->nph > CORE_SEGMENTS_MAX)
		return err_new(ERR_BAD_DATA, "%u segments by the ELF header: more than %u", f->nph,
			       CORE_SEGMENTS_MAX);
	if (f->nph && h->phentsize != phdr_size(f))
		return err_new(ERR_BAD_DATA, "program headers of %u bytes, by offset 0x%x",
			       h->phentsize,
			       f->word == 8 ? (unsigned int)offsetof(Elf64_Ehdr, e_phentsize)
					    : (unsigned int)offsetof(Elf32_Ehdr, e_phentsize));
	return NULL;
}

static struct err *read_header(struct core_file *f)
{
	struct header h;
	struct err *err = load_header(f, &h);
	if (err)
		return err;
	f->type = h.type;
	f->machine = h.machine;
	f->phoff = h.phoff;
	err = count_phdrs(f, &h);
	if (err)
		return err;
	uint64_t bytes = (uint64_t)f->nph * phdr_size(f);
	if (f->phoff > f->size || bytes > f->size - f->phoff)
		return missing(f, "the table of segments", f->phoff);
	return NULL;
}

static struct err *open_any(struct core_file *f, struct core_file *ret)
{
	f->window = malloc(CORE_WINDOW);
	if (!f->window)
		return &err_nomem;
	struct err *err = read_header(f);
	if (err) {
		core_file_close(f);
		return err;
	}
	*ret = *f;
	return NULL;
}

struct err *core_file_open(int fd, struct core_file *ret)
{
	struct core_file f = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_os("looking at it");
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_BAD_DATA, "it is no regular file");
	f.size = (uint64_t)st.st_size;
	return open_any(&f, ret);
}

struct err *core_file_open_mapped(struct mem *m, uint64_t base, uint64_t size,
				  struct core_file *ret)
{
	struct core_file f = { .fd = -1, .mem = m, .base = base, .size = size };
	return open_any(&f, ret);
}

void core_file_close(struct core_file *f)
{
	free(f->window);
	f->window = NULL;
	f->len = 0;
}

struct err *core_file_phdr(struct core_file *f, uint32_t i, struct core_phdr *ret)
{
	union {
		Elf64_Phdr wide;
		Elf32_Phdr narrow;
	} ph;
	uint64_t where = f->phoff + (uint64_t)i * phdr_size(f);
	struct err *err = read_near(f, "a program header", where, &ph, phdr_size(f));
	if (err)
		return err;
	*ret = f->word == 8 ? PHDR_OF(ph.wide) : PHDR_OF(ph.narrow);
	ret->where = where;
	return NULL;
}

/* ---- notes ---- */

static struct err *bad_note(uint64_t at, const char *what)
{
	return err_new(ERR_BAD_DATA, "the note at offset 0x%" PRIx64 " %s", at, what);
}

/* The note at @at, of which there are @left bytes; *step is what it takes up. */
static struct err *read_note(struct core_file *f, uint64_t at, uint64_t left, struct core_note *ret,
			     uint64_t *step)
{
	Elf64_Nhdr nh;

	if (left < sizeof(nh))
		return bad_note(at, "has no room for its header");
	struct err *err = read_near(f, "a note", at, &nh, sizeof(nh));
	if (err)
		return err;
	/* 32 bits each: their sum does not overflow 64. */
	uint64_t name = ((uint64_t)nh.n_namesz + 3) & ~UINT64_C(3);
	uint64_t end = sizeof(nh) + name + nh.n_descsz;
	if (end > left)
		return bad_note(at, "reaches beyond its segment");
	if (end > f->size || at > f->size - end)
		return missing(f, "a note", at);
	*ret = (struct core_note){ .type = nh.n_type,
				   .offset = at + sizeof(nh) + name,
				   .size = nh.n_descsz };
	size_t n = nh.n_namesz < sizeof(ret->name) - 1 ? nh.n_namesz : sizeof(ret->name) - 1;
	*step = (end + 3) & ~UINT64_C(3);
	return read_near(f, "a note's name", at + sizeof(nh), ret->name, n);
}

struct err *core_file_notes(struct core_file *f, const struct core_phdr *segment,
			    struct err *(*visit)(void *arg, const struct core_note *note),
			    void *arg)
{
	uint64_t at = segment->offset, left = segment->filesz, step;

	if (left && (at > f->size || left > f->size - at))
		return missing(f, "the segment of notes", at);
	for (uint32_t n = 0; left; n++) {
		struct core_note note;
		if (n == CORE_NOTES_MAX)
			return bad_note(at, "is one too many");
		struct err *err = read_note(f, at, left, &note, &step);
		if (!err)
			err = visit(arg, &note);
		if (err)
			return err;
		at += step;
		left -= step < left ? step : left;
	}
	return NULL;
}

struct found_id {
	struct core_file *file;
	uint8_t *buf;
	size_t room, len;
};

static struct err *take_build_id(void *arg, const struct core_note *note)
{
	struct found_id *id = arg;

	if (note->type != NT_GNU_BUILD_ID || strcmp(note->name, "GNU") != 0 || id->len ||
	    !note->size || note->size > BUILD_ID_MAX)
		return NULL;
	size_t n = note->size < id->room ? note->size : id->room;
	id->len = core_file_read_some(id->file, note->offset, id->buf, n);
	return NULL;
}

size_t core_file_build_id(struct core_file *f, uint8_t *buf, size_t room)
{
	struct found_id id = { .file = f, .room = room };
	struct core_phdr ph;
	struct err *err = NULL;

	id.buf = buf; /* in the initializer clang-tidy overlooks that it is written to */
	for (uint32_t i = 0; i < f->nph && !err && !id.len; i++) {
		err = core_file_phdr(f, i, &ph);
		/* Notes of other alignment are not of the kind: their segment is their own. */
		if (!err && ph.type == PT_NOTE)
			err_drop(core_file_notes(f, &ph, take_build_id, &id));
	}
	err_drop(err);
	return id.len;
}
