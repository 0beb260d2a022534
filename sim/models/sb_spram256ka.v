// Behavioural model of the iCE40 UP5K's SB_SPRAM256KA: 16k x 16 bits, one port, nibble write masks.
// Contents are undefined after power-up; here they start as a pattern that is not zero, so that nothing relies on it.
module SB_SPRAM256KA (
    input  [13:0] ADDRESS,
    input  [15:0] DATAIN,
    input  [3:0]  MASKWREN,
    input         WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
    output reg [15:0] DATAOUT
);
    reg [15:0] mem [0:16383];
    integer i;
    initial for (i = 0; i < 16384; i = i + 1) mem[i] = 16'hA5C3 ^ i[15:0];

    wire on = CHIPSELECT & POWEROFF & ~STANDBY & ~SLEEP;
    always @(posedge CLOCK) if (on) begin
        if (WREN) begin
            if (MASKWREN[0]) mem[ADDRESS][3:0]   <= DATAIN[3:0];
            if (MASKWREN[1]) mem[ADDRESS][7:4]   <= DATAIN[7:4];
            if (MASKWREN[2]) mem[ADDRESS][11:8]  <= DATAIN[11:8];
            if (MASKWREN[3]) mem[ADDRESS][15:12] <= DATAIN[15:12];
        end else
            DATAOUT <= mem[ADDRESS];
    end
endmodule
