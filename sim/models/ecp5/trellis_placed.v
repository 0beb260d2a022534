// Cells that an ECP5 design has only after placement. Yosys' TRELLIS_COMB drives a local wire instead of its carry
// output, so this one takes its place.
module TRELLIS_COMB (
    input A, B, C, D, M,
    input FCI, F1, FXA, FXB, DI0, DI1,
    input WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
    output F, FCO, OFX
);
    parameter MODE = "LOGIC";
    parameter [15:0] INITVAL = 16'h0;
    parameter CCU2_INJECT1 = "NO";
    parameter WREMUX = "WRE";
    parameter WCKMUX = "WCK";
    parameter IS_Z1 = 1'b0;

    wire table4 = INITVAL[{D, C, B, A}];
    wire table2 = INITVAL[{2'b00, B, A}];
    generate
        if (MODE == "CCU2") begin : carry
            // Without a carry into the table's sum: INJECT1 cuts the chain's input off.
            wire inject = CCU2_INJECT1 == "YES";
            assign F = table4 ^ (inject ? 1'b0 : FCI);
            assign FCO = (~table4 & (inject ? 1'b0 : table2)) | (table4 & FCI);
        end else if (MODE == "DPRAM") begin : ram
            reg [15:0] bits = INITVAL;
            always @(posedge WCK) if (WRE) bits[{WAD3, WAD2, WAD1, WAD0}] <= WD;
            assign F = bits[{A, C, B, D}];
            assign FCO = 1'b0;
        end else begin : logic_only
            // RAMW_BLOCK: the two tables that carry a LUT RAM's write port are unused.
            assign F = MODE == "LOGIC" ? table4 : 1'b0;
            assign FCO = 1'b0;
        end
    endgenerate
    assign OFX = IS_Z1 ? (M ? FXB : FXA) : (M ? F1 : F);
endmodule

// The slice through which the write port of two LUT RAMs goes.
module TRELLIS_RAMW (
    input A0, B0, C0, D0, A1, B1, C1, D1,
    output WADO0, WADO1, WADO2, WADO3, WDO0, WDO1, WDO2, WDO3
);
    assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
    assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule
