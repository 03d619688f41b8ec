"""What tests of whole services stand on: a loop on virtual time, a store and a bus in memory with faults. It knows no service."""
