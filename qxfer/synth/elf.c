/* SPDX-License-Identifier: MIT */
/* The image around the DWARF: headers, text, symbols. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "qxfer/synth/priv.h"

/*
 * There is no build-id: with one, gdb asks debuginfod for sources it doesn't find.
 * A loader needs .dynsym and .hash; the functions are in .symtab, which debuggers read.
 */
enum section {
	S_NONE,
	S_HASH,
	S_DYNSYM,
	S_DYNSTR,
	S_DYNAMIC,
	S_DATA,
	S_TEXT,
	S_ABBREV,
	S_INFO,
	S_LINE,
	S_RANGES,
	S_ARANGES,
	S_STR,
	S_FRAME,
	S_MACINFO,
	S_SYMTAB,
	S_STRTAB,
	S_SHSTRTAB,
	SECTIONS,
};

#define DYNAMIC_SIZE (7 * sizeof(Elf64_Dyn))

static const struct section_kind {
	const char *name;
	uint32_t type, link, info;
	uint64_t flags, align, entry;
} kinds[SECTIONS] = {
	/* clang-format off */
	[S_HASH]     = { ".hash", SHT_HASH, S_DYNSYM, 0, SHF_ALLOC, 8, 4 },
	[S_DYNSYM]   = { ".dynsym", SHT_DYNSYM, S_DYNSTR, 1, SHF_ALLOC, 8, sizeof(Elf64_Sym) },
	[S_DYNSTR]   = { ".dynstr", SHT_STRTAB, 0, 0, SHF_ALLOC, 1, 0 },
	[S_DYNAMIC]  = { ".dynamic", SHT_DYNAMIC, S_DYNSTR, 0, SHF_ALLOC | SHF_WRITE, 8, sizeof(Elf64_Dyn) },
	[S_DATA]     = { ".data", SHT_PROGBITS, 0, 0, SHF_ALLOC | SHF_WRITE, 8, 0 },
	[S_TEXT]     = { ".text", SHT_PROGBITS, 0, 0, SHF_ALLOC | SHF_EXECINSTR, 16, 0 },
	[S_ABBREV]   = { ".debug_abbrev", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_INFO]     = { ".debug_info", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_LINE]     = { ".debug_line", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_RANGES]   = { ".debug_ranges", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_ARANGES]  = { ".debug_aranges", SHT_PROGBITS, 0, 0, 0, 16, 0 },
	[S_STR]      = { ".debug_str", SHT_PROGBITS, 0, 0, SHF_MERGE | SHF_STRINGS, 1, 1 },
	[S_FRAME]    = { ".debug_frame", SHT_PROGBITS, 0, 0, 0, 8, 0 },
	[S_MACINFO]  = { ".debug_macinfo", SHT_PROGBITS, 0, 0, 0, 1, 0 },
	[S_SYMTAB]   = { ".symtab", SHT_SYMTAB, S_STRTAB, 1, 0, 8, sizeof(Elf64_Sym) },
	[S_STRTAB]   = { ".strtab", SHT_STRTAB, 0, 0, 0, 1, 0 },
	[S_SHSTRTAB] = { ".shstrtab", SHT_STRTAB, 0, 0, 0, 1, 0 },
	/* clang-format on */
};

struct writer {
	struct buf *out;
	const struct plan *plan;
	Elf64_Shdr sh[SECTIONS];
	struct buf symtab, strtab;
};

/* ---- the first page ---- */

static void put_phdr(struct buf *out, uint32_t type, uint32_t flags, uint64_t at, uint64_t len)
{
	const Elf64_Phdr ph = {
		.p_type = type,
		.p_flags = flags,
		.p_offset = at,
		.p_vaddr = at,
		.p_paddr = at,
		.p_filesz = len,
		.p_memsz = len,
		.p_align = type == PT_LOAD ? TEXT_OFFSET : 8,
	};
	buf_put(out, &ph, sizeof(ph));
}

static void put_headers(struct writer *w)
{
	const Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = w->plan->options->machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
		.e_shstrndx = S_SHSTRTAB,
	};
	buf_put(w->out, &eh, sizeof(eh));
	put_phdr(w->out, PT_LOAD, PF_R | PF_W, 0, TEXT_OFFSET);
	put_phdr(w->out, PT_LOAD, PF_R | PF_X, TEXT_OFFSET, w->plan->text_end - TEXT_OFFSET);
	put_phdr(w->out, PT_DYNAMIC, PF_R | PF_W, DYNAMIC_OFFSET, DYNAMIC_SIZE);
	put_phdr(w->out, PT_GNU_STACK, PF_R | PF_W, 0, 0);
}

static void open_at(struct writer *w, enum section s, size_t at)
{
	put_zeros(w->out, at - w->out->len);
	w->sh[s].sh_offset = at;
	w->sh[s].sh_addr = at;
}

static void close_section(struct writer *w, enum section s)
{
	w->sh[s].sh_size = w->out->len - w->sh[s].sh_offset;
}

static void put_dynamic(struct buf *out, size_t dynstr_len)
{
	const Elf64_Dyn dynamic[] = {
		{ DT_SONAME, { 1 } },
		{ DT_HASH, { HASH_OFFSET } },
		{ DT_STRTAB, { DYNSTR_OFFSET } },
		{ DT_SYMTAB, { DYNSYM_OFFSET } },
		{ DT_STRSZ, { dynstr_len } },
		{ DT_SYMENT, { sizeof(Elf64_Sym) } },
		{ DT_NULL, { 0 } },
	};
	_Static_assert(sizeof(dynamic) == DYNAMIC_SIZE, "as its program header says");
	buf_put(out, dynamic, sizeof(dynamic));
}

/* A struct link_map, as the debugger's list says there is, and the JIT's descriptor. */
static void put_data(struct buf *out, uint64_t base)
{
	put_u64(out, base);
	put_u64(out, base + DYNSTR_OFFSET + 1);
	put_u64(out, base + DYNAMIC_OFFSET);
	put_zeros(out, DESCRIPTOR_OFFSET - out->len);
	put_u32(out, 1); /* version */
	put_zeros(out, DATA_END - out->len);
}

static void put_first_page(struct writer *w)
{
	static const uint32_t hash[] = { 1, 1, 0, 0 };

	put_headers(w);
	open_at(w, S_HASH, HASH_OFFSET);
	buf_put(w->out, hash, sizeof(hash));
	close_section(w, S_HASH);
	open_at(w, S_DYNSYM, DYNSYM_OFFSET);
	put_zeros(w->out, sizeof(Elf64_Sym));
	close_section(w, S_DYNSYM);
	open_at(w, S_DYNSTR, DYNSTR_OFFSET);
	put_u8(w->out, 0);
	put_text(w->out, w->plan->name);
	close_section(w, S_DYNSTR);
	open_at(w, S_DYNAMIC, DYNAMIC_OFFSET);
	put_dynamic(w->out, w->sh[S_DYNSTR].sh_size);
	close_section(w, S_DYNAMIC);
	open_at(w, S_DATA, DATA_OFFSET);
	put_data(w->out, w->plan->base);
	close_section(w, S_DATA);
}

/* "jmp .+2" throughout: lldb steps over nops to the end of the line instead of through them. */
static void put_text_section(struct writer *w)
{
	static const uint8_t unit[2] = { 0xeb, 0x00 };

	open_at(w, S_TEXT, TEXT_OFFSET);
	size_t len = w->plan->text_end - TEXT_OFFSET;
	uint8_t *text = buf_room(w->out, len);
	if (!text)
		return;
	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % 2];
	w->out->len += len;
	close_section(w, S_TEXT);
}

/* ---- the rest ---- */

static void put_section(struct writer *w, enum section s, const struct buf *content)
{
	put_align(w->out, kinds[s].align);
	w->sh[s].sh_offset = w->out->len;
	buf_put(w->out, content->data, content->len);
	if (content->failed)
		w->out->failed = true;
	close_section(w, s);
}

static void put_symbol(struct writer *w, enum section in, uint64_t at, uint64_t size)
{
	const Elf64_Sym sym = {
		.st_name = (Elf64_Word)w->strtab.len,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, in == S_TEXT ? STT_FUNC : STT_OBJECT),
		.st_shndx = (Elf64_Half)in,
		.st_value = at,
		.st_size = size,
	};
	buf_put(&w->symtab, &sym, sizeof(sym));
}

static void put_named(struct writer *w, const char *name, enum section in, uint64_t at,
		      uint64_t size)
{
	put_symbol(w, in, at, size);
	put_text(&w->strtab, name);
}

/* gdb lets the stack go anywhere from a function of the bridge's name. */
static void put_symbols(struct writer *w)
{
	const struct plan *p = w->plan;

	put_zeros(&w->symtab, sizeof(Elf64_Sym));
	put_u8(&w->strtab, 0);
	if (p->first) {
		put_named(w, "py.root", S_TEXT, ROOT_OFFSET, SPECIAL_SIZE);
		put_named(w, "__morestack", S_TEXT, BRIDGE_OFFSET, SPECIAL_SIZE);
	}
	if (p->jit) {
		put_named(w, "__jit_debug_register_code", S_TEXT, JIT_OFFSET, SPECIAL_SIZE);
		put_named(w, "__jit_debug_descriptor", S_DATA, DESCRIPTOR_OFFSET,
			  DATA_END - DESCRIPTOR_OFFSET);
	}
	for (size_t i = 0; i < p->n; i++) {
		const struct synth_function *f = &p->functions[i]->pub;
		put_symbol(w, S_TEXT, f->pc - p->base, synth_text_len(&f->code));
		buf_printf(&w->strtab, "py.%s.%u", f->code.qualname, f->number);
		put_u8(&w->strtab, 0);
	}
	put_section(w, S_SYMTAB, &w->symtab);
	put_section(w, S_STRTAB, &w->strtab);
}

static void put_section_headers(struct writer *w)
{
	_cleanup_buf_ struct buf names = { 0 };

	put_u8(&names, 0);
	for (size_t i = 1; i < SECTIONS; i++) {
		const struct section_kind *k = &kinds[i];
		Elf64_Shdr *sh = &w->sh[i];
		sh->sh_name = (Elf64_Word)names.len;
		sh->sh_type = k->type;
		sh->sh_link = k->link;
		sh->sh_info = k->info;
		sh->sh_flags = k->flags;
		sh->sh_addralign = k->align;
		sh->sh_entsize = k->entry;
		put_text(&names, k->name);
	}
	put_section(w, S_SHSTRTAB, &names);
	put_align(w->out, 8);
}

bool elf_write(struct buf *out, const struct plan *plan, struct synth_generation *ret)
{
	struct writer w = { .out = out, .plan = plan };
	struct dwarf d = { 0 };
	bool ok = dwarf_write(&d, plan);

	put_first_page(&w);
	put_text_section(&w);
	put_section(&w, S_ABBREV, &d.abbrev);
	put_section(&w, S_INFO, &d.info);
	put_section(&w, S_LINE, &d.line);
	put_section(&w, S_RANGES, &d.ranges);
	put_section(&w, S_ARANGES, &d.aranges);
	put_section(&w, S_STR, &d.str);
	put_section(&w, S_FRAME, &d.frame);
	put_section(&w, S_MACINFO, &d.macinfo);
	dwarf_deinit(&d);
	put_symbols(&w);
	put_section_headers(&w);
	set_u32(out, offsetof(Elf64_Ehdr, e_shoff), out->len);
	buf_put(out, w.sh, sizeof(w.sh));
	ret->bytes = out->data;
	ret->len = out->len;
	ret->l_addr = plan->base;
	ret->lm = plan->base + DATA_OFFSET;
	ret->l_ld = plan->base + DYNAMIC_OFFSET;
	ret->mapped = plan->text_end;
	ok = ok && !out->failed && !w.symtab.failed && !w.strtab.failed;
	buf_deinit(&w.symtab);
	buf_deinit(&w.strtab);
	return ok;
}
