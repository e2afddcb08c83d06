/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/image.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/priv.h"

/*
 * In this order: the regions' sections come after these, and nothing of a file is theirs.  There is
 * no build-id: with one, gdb asks debuginfod.
 */
enum section {
	S_NONE,
	S_DYNSYM,
	S_DYNSTR,
	S_DYNAMIC,
	S_FRAME,
	S_ABBREV,
	S_INFO,
	S_SYMTAB,
	S_STRTAB,
	S_SHSTRTAB,
	S_TEXT, /* of the first region */
};

static const struct section_kind {
	const char *name;
	uint32_t type, link, info;
	uint64_t flags, align, entry;
} kinds[S_TEXT] = {
	/* clang-format off */
	[S_DYNSYM]   = { ".dynsym", SHT_DYNSYM, S_DYNSTR, 1, SHF_ALLOC, 8, sizeof(Elf64_Sym) },
	[S_DYNSTR]   = { ".dynstr", SHT_STRTAB, 0, 0, SHF_ALLOC, 1, 0 },
	[S_DYNAMIC]  = { ".dynamic", SHT_DYNAMIC, S_DYNSTR, 0, SHF_ALLOC | SHF_WRITE, 8, sizeof(Elf64_Dyn) },
	[S_FRAME]    = { ".debug_frame", SHT_PROGBITS, 0, 0, 0, 8, 0 },
	[S_ABBREV]   = { ".debug_abbrev", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_INFO]     = { ".debug_info", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_SYMTAB]   = { ".symtab", SHT_SYMTAB, S_STRTAB, 1, 0, 8, sizeof(Elf64_Sym) },
	[S_STRTAB]   = { ".strtab", SHT_STRTAB, 0, 0, 0, 1, 0 },
	[S_SHSTRTAB] = { ".shstrtab", SHT_STRTAB, 0, 0, 0, 1, 0 },
	/* clang-format on */
};

struct writer {
	struct buf *out;
	uint64_t place; /* of the file's begin, as its own addresses go */
	const struct jit_region **r;
	size_t n;
	Elf64_Shdr *sh; /* S_TEXT + n */
	struct buf names;
};

static uint64_t file_address(uint64_t addr)
{
	return addr - JIT_IMAGE_L_ADDR;
}

/* ---- sections ---- */

static void open_section(struct writer *w, enum section s)
{
	const struct section_kind *k = &kinds[s];
	put_align(w->out, k->align);
	w->sh[s] = (Elf64_Shdr){
		.sh_name = (Elf64_Word)w->names.len,
		.sh_type = k->type,
		.sh_flags = k->flags,
		.sh_addr = k->flags & SHF_ALLOC ? w->place + w->out->len : 0,
		.sh_offset = w->out->len,
		.sh_link = k->link,
		.sh_info = k->info,
		.sh_addralign = k->align,
		.sh_entsize = k->entry,
	};
	put_text(&w->names, k->name);
}

static void close_section(struct writer *w, enum section s)
{
	w->sh[s].sh_size = w->out->len - w->sh[s].sh_offset;
}

static void add_text_sections(struct writer *w)
{
	char name[32];
	for (size_t i = 0; i < w->n; i++) {
		snprintf(name, sizeof(name), i ? ".text%zu" : ".text", i);
		w->sh[S_TEXT + i] = (Elf64_Shdr){
			.sh_name = (Elf64_Word)w->names.len,
			.sh_type = SHT_NOBITS,
			.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			.sh_addr = file_address(w->r[i]->start),
			.sh_offset = sizeof(Elf64_Ehdr),
			.sh_size = w->r[i]->end - w->r[i]->start,
			.sh_addralign = 1,
		};
		put_text(&w->names, name);
	}
}

/* ---- headers ---- */

static void put_phdr(struct writer *w, const Elf64_Phdr *ph)
{
	Elf64_Phdr p = *ph;
	p.p_paddr = p.p_vaddr;
	buf_put(w->out, &p, sizeof(p));
}

static void put_headers(struct writer *w)
{
	const Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)(w->n + 2),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (Elf64_Half)(S_TEXT + w->n),
		.e_shstrndx = S_SHSTRTAB,
	};
	buf_put(w->out, &eh, sizeof(eh));
	/* What comes first, and the dynamic section: their sizes are set when they are known. */
	put_phdr(w,
		 &(Elf64_Phdr){
			 .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = w->place, .p_align = 1 });
	put_phdr(w, &(Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_flags = PF_R, .p_align = 8 });
	for (size_t i = 0; i < w->n; i++)
		put_phdr(w, &(Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_flags = PF_R | PF_X,
					   .p_vaddr = file_address(w->r[i]->start),
					   .p_memsz = w->r[i]->end - w->r[i]->start,
					   .p_align = 1 });
}

static void finish_headers(struct writer *w, size_t loaded)
{
	if (w->out->failed)
		return;
	Elf64_Phdr ph[2];
	memcpy(ph, w->out->data + sizeof(Elf64_Ehdr), sizeof(ph));
	ph[0].p_filesz = ph[0].p_memsz = loaded;
	ph[1].p_offset = w->sh[S_DYNAMIC].sh_offset;
	ph[1].p_vaddr = ph[1].p_paddr = w->sh[S_DYNAMIC].sh_addr;
	ph[1].p_filesz = ph[1].p_memsz = w->sh[S_DYNAMIC].sh_size;
	memcpy(w->out->data + sizeof(Elf64_Ehdr), ph, sizeof(ph));
}

static void put_dynamic(struct writer *w, const char *name)
{
	open_section(w, S_DYNSYM);
	put_zeros(w->out, sizeof(Elf64_Sym));
	close_section(w, S_DYNSYM);
	open_section(w, S_DYNSTR);
	put_u8(w->out, 0);
	put_text(w->out, name);
	close_section(w, S_DYNSTR);
	open_section(w, S_DYNAMIC);
	const Elf64_Dyn dynamic[] = {
		{ DT_SONAME, { 1 } },
		{ DT_STRTAB, { w->sh[S_DYNSTR].sh_addr } },
		{ DT_SYMTAB, { w->sh[S_DYNSYM].sh_addr } },
		{ DT_STRSZ, { w->sh[S_DYNSTR].sh_size } },
		{ DT_SYMENT, { sizeof(Elf64_Sym) } },
		{ DT_NULL, { 0 } },
	};
	buf_put(w->out, dynamic, sizeof(dynamic));
	close_section(w, S_DYNAMIC);
}

/* ---- names ---- */

typedef void (*visit_function)(struct writer *w, size_t region, uint64_t start, uint32_t len,
			       const char *name);

static void each_function(struct writer *w, size_t region, visit_function visit)
{
	const struct jit_region *r = w->r[region];
	const struct jit_table *t = r->table;
	for (size_t i = 0; i < t->nfuncs; i++) {
		uint64_t start = r->base + t->func[i].start;
		if (start >= r->start && start < r->end && t->func[i].name)
			visit(w, region, file_address(start), t->func[i].len,
			      jit_table_name(t, &t->func[i]));
	}
}

enum { UNIT = 1, FUNCTION = 2 }; /* of the abbreviations */

static void put_abbrev(struct buf *out)
{
	/* DW_TAG_compile_unit: name, low_pc, high_pc (a length), language. */
	static const uint8_t abbrev[] = { UNIT, 0x11, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0x13,
					  0x0b, 0, 0,
					  /* DW_TAG_subprogram: name, low_pc, high_pc. */
					  FUNCTION, 0x2e, 0, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0,
					  0, 0 };
	buf_put(out, abbrev, sizeof(abbrev));
}

static void put_subprogram(struct writer *w, size_t region, uint64_t start, uint32_t len,
			   const char *name)
{
	(void)region;
	put_uleb(w->out, FUNCTION);
	put_text(w->out, name);
	put_u64(w->out, start);
	put_u64(w->out, len);
}

static void put_info(struct writer *w)
{
	for (size_t i = 0; i < w->n; i++) {
		size_t at = w->out->len;
		put_u32(w->out, 0);
		put_u16(w->out, 4);
		put_u32(w->out, 0); /* abbreviations */
		put_u8(w->out, 8);
		put_uleb(w->out, UNIT);
		put_text(w->out, jit_kind_text(w->r[i]->kind));
		put_u64(w->out, file_address(w->r[i]->start));
		put_u64(w->out, w->r[i]->end - w->r[i]->start);
		put_u8(w->out, 0x0c); /* C99 */
		each_function(w, i, put_subprogram);
		put_u8(w->out, 0);
		set_u32(w->out, at, w->out->len - at - 4);
	}
}

static void put_symbol(struct writer *w, size_t region, uint64_t start, uint32_t len,
		       const char *name)
{
	(void)name;
	const Elf64_Sym sym = {
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = (Elf64_Half)(S_TEXT + region),
		.st_value = start,
		.st_size = len,
	};
	buf_put(w->out, &sym, sizeof(sym));
}

static void put_name(struct writer *w, size_t region, uint64_t start, uint32_t len,
		     const char *name)
{
	(void)region;
	(void)start;
	(void)len;
	put_text(w->out, name);
}

/* The names lie in the order of the symbols. */
static void link_names(struct writer *w)
{
	size_t at = w->sh[S_SYMTAB].sh_offset + sizeof(Elf64_Sym), name = 1;
	size_t end = w->sh[S_SYMTAB].sh_offset + w->sh[S_SYMTAB].sh_size;
	for (; !w->out->failed && at < end; at += sizeof(Elf64_Sym)) {
		set_u32(w->out, at, name);
		name += strlen((const char *)w->out->data + w->sh[S_STRTAB].sh_offset + name) + 1;
	}
}

static void put_symbols(struct writer *w)
{
	open_section(w, S_SYMTAB);
	put_zeros(w->out, sizeof(Elf64_Sym));
	for (size_t i = 0; i < w->n; i++)
		each_function(w, i, put_symbol);
	close_section(w, S_SYMTAB);
	open_section(w, S_STRTAB);
	put_u8(w->out, 0);
	for (size_t i = 0; i < w->n; i++)
		each_function(w, i, put_name);
	close_section(w, S_STRTAB);
	link_names(w);
}

/* ---- all of it ---- */

static void put_all(struct writer *w, const char *name)
{
	put_u8(&w->names, 0);
	put_headers(w);
	put_dynamic(w, name);
	finish_headers(w, w->out->len);
	open_section(w, S_FRAME);
	jit_image_put_frame(w->out, w->r, w->n);
	close_section(w, S_FRAME);
	open_section(w, S_ABBREV);
	put_abbrev(w->out);
	close_section(w, S_ABBREV);
	open_section(w, S_INFO);
	put_info(w);
	close_section(w, S_INFO);
	put_symbols(w);
	add_text_sections(w);
	open_section(w, S_SHSTRTAB);
	buf_put(w->out, w->names.data, w->names.len);
	close_section(w, S_SHSTRTAB);
	put_align(w->out, 8);
	set_u32(w->out, offsetof(Elf64_Ehdr, e_shoff), w->out->len);
	buf_put(w->out, w->sh, (S_TEXT + w->n) * sizeof(*w->sh));
}

struct err *jit_image_write(const struct jit_region *r, size_t n,
			    bool (*wanted)(const struct jit_region *r), uint64_t place,
			    const char *name, struct jit_image *ret)
{
	size_t max = n < JIT_IMAGE_REGIONS ? n : JIT_IMAGE_REGIONS;
	struct writer w = { .out = &ret->bytes, .place = file_address(place) };
	w.r = calloc(max + 1, sizeof(void *));
	w.sh = calloc(max + S_TEXT, sizeof(*w.sh));
	bool ok = w.r && w.sh;

	for (size_t i = 0; ok && i < n && w.n < max; i++)
		if (wanted(&r[i]))
			w.r[w.n++] = &r[i];
	buf_clear(&ret->bytes);
	if (ok && w.n)
		put_all(&w, name);
	ok = ok && !ret->bytes.failed && !w.names.failed;
	if (ok && w.n) {
		ret->l_ld = w.sh[S_DYNAMIC].sh_addr + JIT_IMAGE_L_ADDR;
		ret->lm = place;
	}
	free((void *)w.r);
	free(w.sh);
	buf_deinit(&w.names);
	if (!ok)
		return &err_nomem;
	return w.n ? NULL : err_new(ERR_NOT_FOUND, "no such code");
}
