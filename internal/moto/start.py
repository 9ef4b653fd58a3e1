# Starts moto, with one mistake of its Route 53 mended: it judges a change by
# every change that there ever was, and so refuses to create again a record that
# was deleted meanwhile.
from moto.route53.models import ChangeList
from moto.server import main


def identity(change):
    record = change["ResourceRecordSet"]
    return record["Name"], record["Type"], record.get("SetIdentifier")


append = ChangeList.append


def append_and_forget(self, change):
    append(self, change)
    if change["Action"] == "DELETE":
        self[:] = [earlier for earlier in self if identity(earlier) != identity(change)]


ChangeList.append = append_and_forget
main()
