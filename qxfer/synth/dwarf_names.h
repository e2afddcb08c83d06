/* SPDX-License-Identifier: MIT */
/* The names of DWARF's numbers that an image has; DWARF 4, section 7. */
#ifndef QXFER_SYNTH_DWARF_NAMES_H
#define QXFER_SYNTH_DWARF_NAMES_H

enum {
	DW_AT_location = 0x02,
	DW_AT_name = 0x03,
	DW_AT_byte_size = 0x0b,
	DW_AT_stmt_list = 0x10,
	DW_AT_low_pc = 0x11,
	DW_AT_high_pc = 0x12,
	DW_AT_language = 0x13,
	DW_AT_comp_dir = 0x1b,
	DW_AT_const_value = 0x1c,
	DW_AT_producer = 0x25,
	DW_AT_prototyped = 0x27,
	DW_AT_data_member_location = 0x38,
	DW_AT_decl_file = 0x3a,
	DW_AT_decl_line = 0x3b,
	DW_AT_encoding = 0x3e,
	DW_AT_external = 0x3f,
	DW_AT_frame_base = 0x40,
	DW_AT_macro_info = 0x43,
	DW_AT_type = 0x49,
	DW_AT_ranges = 0x55,
	DW_AT_main_subprogram = 0x6a,
	DW_AT_linkage_name = 0x6e,
};

enum {
	DW_ATE_signed = 0x5,
	DW_ATE_signed_char = 0x6,
};

enum {
	DW_CFA_nop = 0x00,
	DW_CFA_undefined = 0x07,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_val_expression = 0x16,
};

enum {
	DW_FORM_addr = 0x01,
	DW_FORM_data2 = 0x05,
	DW_FORM_data4 = 0x06,
	DW_FORM_data1 = 0x0b,
	DW_FORM_sdata = 0x0d,
	DW_FORM_strp = 0x0e,
	DW_FORM_udata = 0x0f,
	DW_FORM_ref4 = 0x13,
	DW_FORM_sec_offset = 0x17,
	DW_FORM_exprloc = 0x18,
	DW_FORM_flag_present = 0x19,
};

enum {
	DW_LANG_C99 = 0x000c,
	DW_LANG_Dylan = 0x0020,
};

enum {
	DW_LNE_end_sequence = 0x01,
	DW_LNE_set_address = 0x02,
};

enum {
	DW_LNS_advance_pc = 0x02,
	DW_LNS_advance_line = 0x03,
	DW_LNS_set_prologue_end = 0x0a,
};

enum {
	DW_MACINFO_define = 0x01,
	DW_MACINFO_start_file = 0x03,
	DW_MACINFO_end_file = 0x04,
};

enum {
	DW_OP_deref = 0x06,
	DW_OP_swap = 0x16,
	DW_OP_plus_uconst = 0x23,
	DW_OP_shl = 0x24,
	DW_OP_lit0 = 0x30,
	DW_OP_breg0 = 0x70,
	DW_OP_fbreg = 0x91,
};

enum {
	DW_TAG_enumeration_type = 0x04,
	DW_TAG_formal_parameter = 0x05,
	DW_TAG_member = 0x0d,
	DW_TAG_pointer_type = 0x0f,
	DW_TAG_compile_unit = 0x11,
	DW_TAG_structure_type = 0x13,
	DW_TAG_base_type = 0x24,
	DW_TAG_enumerator = 0x28,
	DW_TAG_subprogram = 0x2e,
	DW_TAG_variable = 0x34,
};

#endif
