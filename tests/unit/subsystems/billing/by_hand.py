"""835 files written by hand, segment by segment, as payers write what our own writer never would."""

PARTIES = ["N1*PR*Blue Payer*XV*60054", "N3*1 Road", "N4*Albany*NY*12207", "PER*BL*EDI*TE*5185550100",
           "N1*PE*General Hospital*XX*1234567893"]  # fmt: skip


def payment(amount: str, trace: str, *body: str, kind: str = "I", sign: str = "C", payer: str = "60054") -> list[str]:
    """One transaction set, without ST and SE."""
    parties = [each.replace("60054", payer) for each in PARTIES]
    claims = ["LX*1"] if any(each.startswith("CLP") for each in body) else []
    return [f"BPR*{kind}*{amount}*{sign}*ACH*CCP*01*999999999*DA*123456*1512345678**01*999999999*DA*98765*20261120",
            f"TRN*1*{trace}*1512345678", "DTM*405*20261120", *parties, *claims, *body]  # fmt: skip


def claim(control: str, charged: str, paid: str, *cas: str, status: str = "1", patient: str = "") -> list[str]:
    """Loop 2100 without lines."""
    return [f"CLP*{control}*{status}*{charged}*{paid}*{patient}*12*ICN77*11*1", *cas, "NM1*QC*1*MULLER*ANNA"]


def file(*sets: list[str], control: int = 900, sender: str = "BLUE", standard: str = "005010X221A1") -> str:
    """An interchange of transaction sets."""
    name = sender.ljust(15)
    made = [f"ISA*00*          *00*          *ZZ*{name}*ZZ*HOSP1          *261120*0900*^*00501*{control:09}*0*P*:",
            f"GS*HP*{sender}*HOSP1*20261120*0900*{control}*X*{standard}"]  # fmt: skip
    for number, body in enumerate(sets, 1):
        made += [f"ST*835*{number:04}", *body, f"SE*{len(body) + 2}*{number:04}"]
    made += [f"GE*{len(sets)}*{control}", f"IEA*1*{control:09}", ""]
    return "~\n".join(made)
