"""Backpack: Ed25519 (extra ``crypto``) over an instruction and the arguments.

`key` is the public key and `secret` the seed, both in base64, as the exchange shows them.

Sources (read 2026-07): https://docs.backpack.exchange/#section/Authentication/Signing-requests,
https://docs.backpack.exchange/#tag/Streams, and "Instruction" at each endpoint of that page.
The official client, https://github.com/backpack-exchange/bpx-api-client, signs arguments that are
not percent-encoded, where the page says "query string format", which is; the two differ only in
arguments with other characters than letters, digits and ``-._~``.
"""

from __future__ import annotations

from networkpype.auth.patterns.rules import rejected
from networkpype.auth.patterns.signature_array import SignatureArray
from networkpype.auth.schemes.instruction import InstructionSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.asymmetric import Ed25519

__all__ = ["BACKPACK", "INSTRUCTIONS"]

# Method and path -> instruction. Those of strategies, the delays of withdrawals and the last three
# histories are in the page's list of instructions or in clients of 2026.
INSTRUCTIONS = {
    "GET /api/v1/account": "accountQuery",
    "PATCH /api/v1/account": "accountUpdate",
    "POST /api/v1/account/convertDust": "convertDust",
    "GET /api/v1/account/limits/borrow": "maxBorrowQuantity",
    "GET /api/v1/account/limits/order": "maxOrderQuantity",
    "GET /api/v1/account/limits/withdrawal": "maxWithdrawalQuantity",
    "POST /api/v1/borrowLend": "borrowLendExecute",
    "GET /api/v1/borrowLend/positions": "borrowLendPositionQuery",
    "GET /api/v1/capital": "balanceQuery",
    "GET /api/v1/capital/collateral": "collateralQuery",
    "GET /api/v1/order": "orderQuery",
    "POST /api/v1/order": "orderExecute",
    "DELETE /api/v1/order": "orderCancel",
    "GET /api/v1/orders": "orderQueryAll",
    "POST /api/v1/orders": "orderExecute",
    "DELETE /api/v1/orders": "orderCancelAll",
    "GET /api/v1/position": "positionQuery",
    "POST /api/v1/rfq": "rfqSubmit",
    "POST /api/v1/rfq/accept": "quoteAccept",
    "POST /api/v1/rfq/cancel": "rfqCancel",
    "POST /api/v1/rfq/quote": "quoteSubmit",
    "POST /api/v1/rfq/refresh": "rfqRefresh",
    "GET /api/v1/strategies": "strategyQueryAll",
    "DELETE /api/v1/strategies": "strategyCancelAll",
    "GET /api/v1/strategy": "strategyQuery",
    "POST /api/v1/strategy": "strategyCreate",
    "DELETE /api/v1/strategy": "strategyCancel",
    "GET /wapi/v1/capital/deposit/address": "depositAddressQuery",
    "GET /wapi/v1/capital/deposits": "depositQueryAll",
    "GET /wapi/v1/capital/withdrawals": "withdrawalQueryAll",
    "POST /wapi/v1/capital/withdrawals": "withdraw",
    "GET /wapi/v1/capital/withdrawals/delay": "withdrawalDelayQuery",
    "POST /wapi/v1/capital/withdrawals/delay": "withdrawalDelayCreate",
    "PATCH /wapi/v1/capital/withdrawals/delay": "withdrawalDelayUpdate",
    "GET /wapi/v1/history/borrowLend": "borrowHistoryQueryAll",
    "GET /wapi/v1/history/borrowLend/positions": "borrowPositionHistoryQueryAll",
    "GET /wapi/v1/history/dust": "dustHistoryQueryAll",
    "GET /wapi/v1/history/fills": "fillHistoryQueryAll",
    "GET /wapi/v1/history/funding": "fundingHistoryQueryAll",
    "GET /wapi/v1/history/interest": "interestHistoryQueryAll",
    "GET /wapi/v1/history/orders": "orderHistoryQueryAll",
    "GET /wapi/v1/history/pnl": "pnlHistoryQueryAll",
    "GET /wapi/v1/history/quote": "quoteHistoryQueryAll",
    "GET /wapi/v1/history/rfq": "rfqHistoryQueryAll",
    "GET /wapi/v1/history/settlement": "settlementHistoryQueryAll",
    "GET /wapi/v1/history/strategies": "strategyHistoryQueryAll",
    "GET /wapi/v1/history/position": "positionHistoryQueryAll",
    "GET /wapi/v1/history/quote/fill": "quoteFillHistoryQueryAll",
    "GET /wapi/v1/history/rfq/fill": "rfqFillHistoryQueryAll",
}

_SIGNING = Ed25519("base64", "base64")

BACKPACK = Exchange(
    name="backpack",
    rest_url="https://api.backpack.exchange",
    scheme=InstructionSignature(instructions=INSTRUCTIONS, signing=_SIGNING),
    pattern=SignatureArray(
        url="wss://ws.backpack.exchange",
        signing=_SIGNING,
        # A good subscribe has no answer but the stream itself; 4002 is a bad signature.
        rules=(rejected({"error.code": 4002}, "error.message"),),
    ),
    sources=("https://docs.backpack.exchange/",),
)
