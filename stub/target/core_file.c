/* SPDX-License-Identifier: MIT */
#include "stub/target/core_file.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
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

static struct err *check_ident(const uint8_t *ident)
{
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return err_new(ERR_BAD_DATA, "it is no ELF file");
	if (ident[EI_CLASS] != ELFCLASS64)
		return err_new(ERR_BAD_DATA, "ELF class %u at offset 4: only 64-bit files are read",
			       ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return err_new(ERR_BAD_DATA,
			       "ELF byte order %u at offset 5: only little-endian files are read",
			       ident[EI_DATA]);
	return NULL;
}

/* A count that does not fit the header stands in the first section header. */
static struct err *count_phdrs(struct core_file *f, const Elf64_Ehdr *eh)
{
	Elf64_Shdr sh;

	f->nph = eh->e_phnum;
	if (eh->e_phnum == PN_XNUM) {
		struct err *err =
			core_file_read(f, "the section header with the number of segments",
				       eh->e_shoff, &sh, sizeof(sh));
		if (err)
			return err;
		f->nph = sh.sh_info;
	}
	if (f->nph > CORE_SEGMENTS_MAX)
		return err_new(ERR_BAD_DATA, "%u segments by the ELF header: more than %u", f->nph,
			       CORE_SEGMENTS_MAX);
	if (f->nph && eh->e_phentsize != sizeof(Elf64_Phdr))
		return err_new(ERR_BAD_DATA, "program headers of %u bytes, by offset 0x36",
			       eh->e_phentsize);
	return NULL;
}

static struct err *read_header(struct core_file *f)
{
	Elf64_Ehdr eh;
	struct err *err = core_file_read(f, "the ELF header", 0, &eh, sizeof(eh));
	if (!err)
		err = check_ident(eh.e_ident);
	if (err)
		return err;
	f->type = eh.e_type;
	f->machine = eh.e_machine;
	f->phoff = eh.e_phoff;
	err = count_phdrs(f, &eh);
	if (err)
		return err;
	uint64_t bytes = (uint64_t)f->nph * sizeof(Elf64_Phdr);
	if (f->phoff > f->size || bytes > f->size - f->phoff)
		return missing(f, "the table of segments", f->phoff);
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
	f.window = malloc(CORE_WINDOW);
	if (!f.window)
		return &err_nomem;
	struct err *err = read_header(&f);
	if (err) {
		core_file_close(&f);
		return err;
	}
	*ret = f;
	return NULL;
}

void core_file_close(struct core_file *f)
{
	free(f->window);
	f->window = NULL;
	f->len = 0;
}

struct err *core_file_phdr(struct core_file *f, uint32_t i, struct core_phdr *ret)
{
	Elf64_Phdr ph;
	uint64_t where = f->phoff + (uint64_t)i * sizeof(ph);
	struct err *err = read_near(f, "a program header", where, &ph, sizeof(ph));
	if (err)
		return err;
	*ret = (struct core_phdr){ .where = where,
				   .type = ph.p_type,
				   .flags = ph.p_flags,
				   .vaddr = ph.p_vaddr,
				   .memsz = ph.p_memsz,
				   .offset = ph.p_offset,
				   .filesz = ph.p_filesz };
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
