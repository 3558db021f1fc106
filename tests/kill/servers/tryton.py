"""A Tryton company for the journeys, and what its accountant does there.

    tryton.py create FOLDER        a database with company, fiscal years, accounts, payment terms and users
    tryton.py serve FOLDER PORT    serves it
    tryton.py VERB URL …           what the accountant does, or reads, through the running server

What is done goes through proteus, Tryton's own client library.
"""

import datetime
import json
import os
import subprocess
import sys
from decimal import Decimal
from hashlib import md5
from pathlib import Path
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from proteus import Model, Wizard, config

# Application key under which milestoned signs in, and the accountant's password.
KEY = 'milestoned-application-key'
PASSWORD = 'Accountant 2026, in tests only'
DATABASE = 'company'
MODULES = ['account_invoice', 'sale', 'project']


def create(folder):
    Path(folder, 'trytond.conf').write_text(
        f'[database]\nuri = sqlite://\npath = {folder}\n[password]\nlength = 8\n')
    conf, admin = os.path.join(folder, 'trytond.conf'), Path(sys.executable).with_name('trytond-admin')
    Path(folder, DATABASE + '.sqlite').touch()
    Path(folder, 'password').write_text(PASSWORD)
    subprocess.run(
        [sys.executable, admin, '-c', conf, '-d', DATABASE, '--email', 'admin@example.com', '-u', *MODULES, '--activate-dependencies'],
        env={**os.environ, 'TRYTONPASSFILE': os.path.join(folder, 'password')}, check=True)
    config.set_trytond(DATABASE, user='admin', config_file=conf)
    from trytond.modules.account.tests.tools import create_chart, get_accounts
    from trytond.modules.company.tests.tools import create_company, get_company

    create_company()
    company = get_company()
    company.cancel_invoice_out = True
    company.save()
    create_chart(company)
    this_year = datetime.date.today().year
    for year in (this_year, this_year + 1):
        fiscal_year(company, year)
    ids = own_accounts(company)
    ids['net 30'] = net_30()
    Journal, Method = Model.get('account.journal'), Model.get('account.invoice.payment.method')
    ids['invoice_journal'] = Journal.find([('type', '=', 'revenue')])[0].id
    ids['entry_journal'] = Journal.find([('code', '=', 'MISC')])[0].id
    method = Method(name='Bank', company=company)
    method.journal, = Journal.find([('type', '=', 'cash')], limit=1)
    method.credit_account = method.debit_account = get_accounts(company)['cash']
    method.save()
    bad_debts = Model.get('account.move.reconcile.write_off')(name='Bad debt', company=company)
    bad_debts.journal = Journal.find([('type', '=', 'write-off')])[0]
    bad_debts.credit_account = bad_debts.debit_account = get_accounts(company)['expense']
    bad_debts.save()
    users(company)
    Path(folder, 'ids.json').write_text(json.dumps(ids))


def serve(folder, port):
    """Serves the company, one request at a time. On SQLite Tryton's requests are no transactions once two of them write at
    once: what waits for the other's lock has committed half of its work before, and does it again."""
    os.environ['TRYTOND_CONFIG'] = os.path.join(folder, 'trytond.conf')
    os.environ['TRYTOND_DATABASE_NAMES'] = DATABASE
    from trytond.application import app
    from werkzeug.serving import run_simple

    run_simple('127.0.0.1', int(port), app, threaded=False)


def fiscal_year(company, year):
    from trytond.modules.account.tests.tools import create_fiscalyear
    from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences

    dates = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
    one = create_fiscalyear(company, today=dates)
    one.start_date, one.end_date = dates
    set_fiscalyear_invoice_sequences(one)
    one.click('create_period')


def own_accounts(company):
    """What is billed in advance is of a revenue type, because invoices post to no other, and a liability while it is owed."""
    Account, Type = Model.get('account.account'), Model.get('account.account.type')

    def type_(name, exactly=False):
        return Type.find([('company', '=', company.id), ('name', '=' if exactly else 'like', name)])[0]

    def account(code, name, type_, credit_type=None):
        one = Account(name=name, code=code, company=company, type=type_, credit_type=credit_type)
        one.save()
        return one.id

    def known(code):
        return Account.find([('company', '=', company.id), ('code', '=', code)])[0].id

    revenue, accrued = type_('Revenue', exactly=True), type_('Revenue Earned%')
    return {
        'accounts_receivable': known('1.2.1'),
        'unbilled_receivable': account('1.2.8', 'Unbilled receivable', accrued),
        'contract_asset': account('1.2.9', 'Contract asset', accrued),
        'deferred_revenue': account('2.3.9', 'Deferred revenue', revenue, type_('Unearned revenue%')),
        'revenue': known('4.1.2'),
    }


def net_30():
    term = Model.get('account.invoice.payment_term')(name='Net 30')
    line = term.lines.new(type='remainder')
    line.relativedeltas.new(days=30)
    term.save()
    return term.id


def users(company):
    """milestoned's own account, with as few rights as it needs, and an accountant who works by hand."""
    User, Group, Key = Model.get('res.user'), Model.get('res.group'), Model.get('res.user.application')
    for login, names in [
            ('milestoned', ['Accounting', 'Party Administration']),
            ('accountant', ['Accounting', 'Accounting Administration', 'Party Administration'])]:
        user = User(name=login, login=login, password=PASSWORD, company=company)
        user.companies.append(type(company)(company.id))
        for name in names:
            user.groups.append(Group.find([('name', '=', name)])[0])
        user.save()
    key = Key(user=User.find([('login', '=', 'milestoned')])[0], application='rest', key=KEY)
    key.save()


def connect(url):
    address = url.replace('http://', f'http://accountant:{quote(PASSWORD)}@')
    config.set_xmlrpc(f'{address}/{DATABASE}/rpc/')


def invoice(number):
    return Model.get('account.invoice').find([('reference', '=', number), ('state', '!=', 'cancelled')])[0]


def pay(url, number, amount, date):
    """Pays a part of an invoice, or the whole."""
    connect(url)
    wizard = Wizard('account.invoice.pay', [invoice(number)])
    wizard.form.payment_method, = Model.get('account.invoice.payment.method').find([('name', '=', 'Bank')])
    wizard.form.amount, wizard.form.date = Decimal(amount), datetime.date.fromisoformat(date)
    wizard.execute('choice')
    if 'pay' in wizard.states:
        wizard.form.type = 'partial'
        wizard.execute('pay')


def cancel(url, number):
    """Cancels an invoice."""
    connect(url)
    invoice(number).click('cancel')


def write_off(url, number, amount, date):
    """Pays an invoice but for an amount, which is written off."""
    connect(url)
    wizard = Wizard('account.invoice.pay', [invoice(number)])
    wizard.form.payment_method, = Model.get('account.invoice.payment.method').find([('name', '=', 'Bank')])
    wizard.form.amount -= Decimal(amount)
    wizard.form.date = datetime.date.fromisoformat(date)
    wizard.execute('choice')
    wizard.form.type = 'writeoff'
    wizard.form.writeoff, = Model.get('account.move.reconcile.write_off').find([('name', '=', 'Bad debt')])
    wizard.execute('pay')


def credit(url, number, date):
    """Writes a credit note by hand, and reconciles it with the invoice that it takes off."""
    connect(url)
    one, Invoice = invoice(number), Model.get('account.invoice')
    known = {note.id for note in Invoice.find([('type', '=', 'out')])}
    wizard = Wizard('account.invoice.credit', [one])
    wizard.form.with_refund, wizard.form.invoice_date = False, datetime.date.fromisoformat(date)
    wizard.execute('credit')
    note, = [note for note in Invoice.find([('type', '=', 'out')]) if note.id not in known]
    note.reference, note.description = None, 'Goodwill'
    post(note)
    Wizard('account.move.reconcile_lines', list(one.lines_to_pay) + list(note.lines_to_pay))


def sell(url, party, amount, date):
    """Invoices a customer by hand."""
    connect(url)
    one = Model.get('account.invoice')(type='out', party=customer(party), description='Workshop')
    one.invoice_date = datetime.date.fromisoformat(date)
    line = one.lines.new(account=account('2.3.9'), quantity=1, description='Workshop')
    line.unit_price = Decimal(amount)
    post(one)


def post(one):
    """Posts an invoice, and says yes where Tryton asks whether a day that is to come is meant: the daemon's day is tomorrow."""
    one.save()
    question = f"{md5(f'account.invoice,{one.id}'.encode()).hexdigest()}.invoice_date_future"
    Model.get('res.user.warning')._proxy.skip(question, True, config.get_config().context)
    one.click('post')


def void_all(url, description):
    """Cancels the invoices that are called so."""
    connect(url)
    for one in Model.get('account.invoice').find([('description', '=', description)]):
        one.click('cancel')


def rename(url, party, name):
    """Calls a customer otherwise."""
    connect(url)
    one = customer(party)
    one.name = name
    one.save()


def customer(name):
    return Model.get('party.party').find([('name', '=', name)])[0]


def account(code):
    return Model.get('account.account').find([('code', '=', code)])[0]


def book(url, amount, date):
    """Books revenue by hand, against the bank."""
    connect(url)
    enter(date, (account('1.1.1'), 'debit', amount), (account('4.1.2'), 'credit', amount))


def defer(url, party, amount, date):
    """Takes deferred revenue back by hand, against what a customer owes."""
    connect(url)
    owed = account('1.2.1'), 'credit', amount, customer(party)
    enter(date, (account('2.3.9'), 'debit', amount), owed)


def enter(date, *postings):
    """Posts a move of these lines: account, side, amount, and the party where there is one."""
    day = datetime.date.fromisoformat(date)
    one = Model.get('account.move')(journal=Model.get('account.journal').find([('code', '=', 'MISC')])[0], date=day)
    one.period = Model.get('account.period').find([('start_date', '<=', day), ('end_date', '>=', day)])[0]
    for booked, side, amount, *party in postings:
        line = one.lines.new(account=booked)
        if party:
            line.party, = party
        setattr(line, side, Decimal(amount))
    one.save()
    one.click('post')


def books(url):
    """Everything that the books hold, a line each, sorted. Read over REST: where every question signs in with a password,
    signing in writes, and a company in SQLite has room for one writer."""

    def read(model, *wanted):
        question = urlencode([('f', field) for field in wanted])
        request = Request(f'{url}/{DATABASE}/rest/model/{model}?{question}', headers={'Authorization': f'Bearer {KEY}'})
        return json.load(urlopen(request), object_hook=plain)

    lines = []
    for one in read('account.invoice', 'type', 'reference', 'state', 'party.name', 'untaxed_amount',
            'lines_to_pay.maturity_date', 'lines.account.code', 'lines.amount', 'lines.description'):
        sold = '; '.join(f"{line['account']['code']} {line['amount']} {line['description']}" for line in one['lines'])
        due = max((line['maturity_date'] for line in one['lines_to_pay']), default='-')
        lines.append(f"invoice {one['reference']} {one['state']} {one['party']['name']} {one['untaxed_amount']} "
            f"due {due} [{sold}]")
    invoices = {f"account.invoice,{one['id']}": one['reference'] for one in read('account.invoice', 'reference')}
    for one in read('account.move', 'description', 'state', 'date', 'origin', 'journal.type', 'lines.account.code',
            'lines.debit', 'lines.credit'):
        if one['journal']['type'] in ('general', 'cash'):
            posted = sorted(f"{line['account']['code']} {side}{line[name]}" for line in one['lines']
                for side, name in (('+', 'debit'), ('-', 'credit')) if Decimal(line[name]))
            about = one['description'] or invoices.get(one['origin'])
            lines.append(f"{one['journal']['type']} move {about} {one['state']} {one['date']} [{', '.join(posted)}]")
    lines.extend(f"party {one['name']}" for one in read('party.party', 'name'))
    print('\n'.join(sorted(lines)))


def plain(value):
    """Amounts and dates as they read."""
    match value.get('__class__'):
        case 'Decimal':
            return value['decimal']
        case 'date':
            return f"{value['year']}-{value['month']:02}-{value['day']:02}"
        case _:
            return value


if __name__ == '__main__':
    globals()[sys.argv[1]](*sys.argv[2:])
