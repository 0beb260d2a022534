// The ECP5's block RAM in the modes that are used: output registers, no resets of the outputs, chip select 0.
// 1,024 words of 18 bits, each two bytes of 9; a port of 1, 2 or 4 bits leaves the ninth bits alone.
// 36 bits (written by port A, read by port B) are two words, the lower half in the even one.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    input DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
    output DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    input DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
    output DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter GSR = "DISABLED";
    parameter [319:0] INITVAL_00 = 320'h0;
    parameter [319:0] INITVAL_01 = 320'h0;
    parameter [319:0] INITVAL_02 = 320'h0;
    parameter [319:0] INITVAL_03 = 320'h0;
    parameter [319:0] INITVAL_04 = 320'h0;
    parameter [319:0] INITVAL_05 = 320'h0;
    parameter [319:0] INITVAL_06 = 320'h0;
    parameter [319:0] INITVAL_07 = 320'h0;
    parameter [319:0] INITVAL_08 = 320'h0;
    parameter [319:0] INITVAL_09 = 320'h0;
    parameter [319:0] INITVAL_0A = 320'h0;
    parameter [319:0] INITVAL_0B = 320'h0;
    parameter [319:0] INITVAL_0C = 320'h0;
    parameter [319:0] INITVAL_0D = 320'h0;
    parameter [319:0] INITVAL_0E = 320'h0;
    parameter [319:0] INITVAL_0F = 320'h0;
    parameter [319:0] INITVAL_10 = 320'h0;
    parameter [319:0] INITVAL_11 = 320'h0;
    parameter [319:0] INITVAL_12 = 320'h0;
    parameter [319:0] INITVAL_13 = 320'h0;
    parameter [319:0] INITVAL_14 = 320'h0;
    parameter [319:0] INITVAL_15 = 320'h0;
    parameter [319:0] INITVAL_16 = 320'h0;
    parameter [319:0] INITVAL_17 = 320'h0;
    parameter [319:0] INITVAL_18 = 320'h0;
    parameter [319:0] INITVAL_19 = 320'h0;
    parameter [319:0] INITVAL_1A = 320'h0;
    parameter [319:0] INITVAL_1B = 320'h0;
    parameter [319:0] INITVAL_1C = 320'h0;
    parameter [319:0] INITVAL_1D = 320'h0;
    parameter [319:0] INITVAL_1E = 320'h0;
    parameter [319:0] INITVAL_1F = 320'h0;
    parameter [319:0] INITVAL_20 = 320'h0;
    parameter [319:0] INITVAL_21 = 320'h0;
    parameter [319:0] INITVAL_22 = 320'h0;
    parameter [319:0] INITVAL_23 = 320'h0;
    parameter [319:0] INITVAL_24 = 320'h0;
    parameter [319:0] INITVAL_25 = 320'h0;
    parameter [319:0] INITVAL_26 = 320'h0;
    parameter [319:0] INITVAL_27 = 320'h0;
    parameter [319:0] INITVAL_28 = 320'h0;
    parameter [319:0] INITVAL_29 = 320'h0;
    parameter [319:0] INITVAL_2A = 320'h0;
    parameter [319:0] INITVAL_2B = 320'h0;
    parameter [319:0] INITVAL_2C = 320'h0;
    parameter [319:0] INITVAL_2D = 320'h0;
    parameter [319:0] INITVAL_2E = 320'h0;
    parameter [319:0] INITVAL_2F = 320'h0;
    parameter [319:0] INITVAL_30 = 320'h0;
    parameter [319:0] INITVAL_31 = 320'h0;
    parameter [319:0] INITVAL_32 = 320'h0;
    parameter [319:0] INITVAL_33 = 320'h0;
    parameter [319:0] INITVAL_34 = 320'h0;
    parameter [319:0] INITVAL_35 = 320'h0;
    parameter [319:0] INITVAL_36 = 320'h0;
    parameter [319:0] INITVAL_37 = 320'h0;
    parameter [319:0] INITVAL_38 = 320'h0;
    parameter [319:0] INITVAL_39 = 320'h0;
    parameter [319:0] INITVAL_3A = 320'h0;
    parameter [319:0] INITVAL_3B = 320'h0;
    parameter [319:0] INITVAL_3C = 320'h0;
    parameter [319:0] INITVAL_3D = 320'h0;
    parameter [319:0] INITVAL_3E = 320'h0;
    parameter [319:0] INITVAL_3F = 320'h0;
    reg [17:0] mem [0:1023];
    localparam [320*64-1:0] START = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    integer i;
    initial for (i = 0; i < 1024; i = i + 1) mem[i] = START[20 * i +: 18];

    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
                       DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
                       DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    reg [17:0] qa = 18'd0, qb = 18'd0, low = 18'd0, late_a = 18'd0, late_b = 18'd0;
    wire [17:0] answer_a = DATA_WIDTH_B == 36 ? low : qa;
    wire clock_a = DATA_WIDTH_B == 36 ? CLKB : CLKA;
    always @(posedge clock_a) if (OCEA) late_a <= answer_a;
    always @(posedge CLKB) if (OCEB) late_b <= qb;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
            DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = REGMODE_A == "OUTREG" ? late_a : answer_a;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
            DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = REGMODE_B == "OUTREG" ? late_b : qb;
    wire ona = CEA & ~(CSA2 | CSA1 | CSA0);
    wire onb = CEB & ~(CSB2 | CSB1 | CSB0);

    // The bits of an 18-bit word that a port means: first bit, and how many.
    function [4:0] first(input integer width, input [13:0] address);
        first = width == 1 ? 9 * address[3] + address[2:0]
              : width == 2 ? 9 * address[3] + 2 * address[2:1]
              : width == 4 ? 9 * address[3] + 4 * address[2]
              : width == 9 ? 9 * address[3] : 0;
    endfunction
    function [17:0] bits(input integer width, input [13:0] address);
        bits = width >= 18 ? {{9{address[1]}}, {9{address[0]}}}
             : ((18'd1 << width) - 18'd1) << first(width, address);
    endfunction
    function [17:0] picked(input integer width, input [13:0] address, input [17:0] word);
        picked = width >= 18 ? word : (word >> first(width, address)) & ((18'd1 << width) - 18'd1);
    endfunction

    wire [17:0] mask_a = bits(DATA_WIDTH_A, ada);
    wire [17:0] mask_b = bits(DATA_WIDTH_B, adb);
    wire [17:0] mask_high = {{9{ada[3]}}, {9{ada[2]}}};
    wire [17:0] in_a = dia << first(DATA_WIDTH_A, ada);
    wire [17:0] in_b = dib << first(DATA_WIDTH_B, adb);
    wire [17:0] old_a = mem[ada[13:4]];
    wire [17:0] old_b = mem[adb[13:4]];
    wire [17:0] new_a = old_a & ~mask_a | in_a & mask_a;
    wire [17:0] new_b = old_b & ~mask_b | in_b & mask_b;

    always @(posedge CLKA) if (ona) begin
        if (WEA && DATA_WIDTH_A == 36) begin
            mem[{ada[13:5], 1'b0}] <= mem[{ada[13:5], 1'b0}] & ~mask_a | dia & mask_a;
            mem[{ada[13:5], 1'b1}] <= mem[{ada[13:5], 1'b1}] & ~mask_high | dib & mask_high;
        end else if (WEA)
            mem[ada[13:4]] <= new_a;
        if (!WEA || WRITEMODE_A == "READBEFOREWRITE") qa <= picked(DATA_WIDTH_A, ada, old_a);
        else if (WRITEMODE_A == "WRITETHROUGH") qa <= picked(DATA_WIDTH_A, ada, new_a);
        if (RSTA) qa <= 18'd0;
    end
    always @(posedge CLKB) if (onb) begin
        if (DATA_WIDTH_B == 36) begin
            low <= mem[{adb[13:5], 1'b0}];
            qb <= mem[{adb[13:5], 1'b1}];
        end else begin
            if (WEB) mem[adb[13:4]] <= new_b;
            if (!WEB || WRITEMODE_B == "READBEFOREWRITE") qb <= picked(DATA_WIDTH_B, adb, old_b);
            else if (WRITEMODE_B == "WRITETHROUGH") qb <= picked(DATA_WIDTH_B, adb, new_b);
        end
        if (RSTB) qb <= 18'd0;
    end
endmodule
