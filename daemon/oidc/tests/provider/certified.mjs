// The certified OpenID provider of npm, with one confidential client. Arguments: port, redirect URI, the client's secret.
import { Provider } from 'oidc-provider';
const [port, redirect, secret] = process.argv.slice(2);
// What its only account belongs to; null: the account is blocked.
let groups = ['finance'];
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: 'milestoned', client_secret: secret, redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic' }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'email', 'groups', 'offline_access'],
  rotateRefreshToken: true,
  findAccount: (_, id) => groups ? { accountId: id, claims: () => ({ sub: id, email: `${id}@customer.example`, email_verified: true, groups }) } : undefined,
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  cookies: { keys: ['a'] }, pkce: { required: () => true },
});
provider.use(async (ctx, next) => {
  if (ctx.path !== '/director') return next();
  groups = JSON.parse(ctx.query.groups);
  ctx.body = '';
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
