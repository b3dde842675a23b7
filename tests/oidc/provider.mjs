// A real identity provider (OpenID Connect) for tests: node provider.mjs '{"issuer": …, "redirectUris": […]}'
//
// Whoever enters a known name on its sign-in page is that person; passwords are not looked at. `POST /test`
// changes what it says: its people, and how the next ID tokens are spoiled on their way.
import { readFileSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import { createServer as createTls } from 'node:https'
import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

const { issuer, redirectUris, tls, claimsInToken = false } = JSON.parse(process.argv[2])
const kid = `key-${Date.now()}`
const signing = await generateKeyPair('RS256', { extractable: true })
const foreign = await generateKeyPair('RS256', { extractable: true })

const state = {
  people: {
    anna: { name: 'Anna Lee', email: 'anna@school.example', email_verified: true, groups: ['teachers'] },
    bert: { name: 'Bert Lee', email: 'bert@school.example', email_verified: false, groups: [] },
  },
  /** `{claims}` to lay over those of the token, `{key: 'foreign'}`, `{algorithm: 'none' | 'HS256'}` */
  spoil: null,
}

const client = {
  client_id: 'carrel',
  client_secret: 'the secret of carrel',
  redirect_uris: redirectUris,
  grant_types: ['authorization_code'],
  response_types: ['code'],
}
const provider = new Provider(issuer, {
  clients: [client, { ...client, client_id: 'other' }],
  cookies: { keys: ['of the test'] },
  jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), kid, use: 'sig', alg: 'RS256' }] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: !claimsInToken,
  findAccount: (_, id) => {
    const person = state.people[id]
    if (!person) return undefined
    return { accountId: id, claims: () => ({ sub: id, preferred_username: id, ...person }) }
  },
})

async function spoiled(token, { claims = {}, key, algorithm = 'RS256' }) {
  const said = { ...decodeJwt(token), ...claims }
  if (algorithm === 'none') {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${part({ alg: 'none' })}.${part(said)}.`
  }
  const secret = new TextEncoder().encode(client.client_secret)
  const used = algorithm === 'HS256' ? secret : (key === 'foreign' ? foreign : signing).privateKey
  return new SignJWT(said).setProtectedHeader({ alg: algorithm, kid }).sign(used)
}

provider.use(async (ctx, next) => {
  await next()
  if (state.spoil && ctx.body?.id_token) ctx.body.id_token = await spoiled(ctx.body.id_token, state.spoil)
})

const answer = provider.callback()
async function handle(request, response) {
  if (request.url !== '/test') return answer(request, response)
  let text = ''
  for await (const piece of request) text += piece
  const { people, spoil } = JSON.parse(text)
  Object.assign(state.people, people)
  if (spoil !== undefined) state.spoil = spoil
  return response.end()
}

const server = tls
  ? createTls({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, handle)
  : createPlain(handle)
server.listen(new URL(issuer).port, '127.0.0.1', () => console.log(`ready at ${issuer}`))
