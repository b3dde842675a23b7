// A real identity provider (OpenID Connect) for tests: node provider.mjs '{"issuer": …, "redirectUris": […]}'
//
// Whoever enters a known name on its sign-in page is that person; passwords are not looked at. `POST /test`
// changes what it says: its people, and how the next ID tokens are spoiled on their way.
import { readFileSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import { createServer as createTls } from 'node:https'
import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

const { issuer: origin, redirectUris, tls, claimsInToken = false, slash = false, signedClaims = false } = JSON.parse(process.argv[2])
const issuer = slash ? `${origin}/` : origin
const kid = `key-${Date.now()}`
const signing = await generateKeyPair('RS256', { extractable: true })
const foreign = await generateKeyPair('RS256', { extractable: true })

const state = {
  people: {
    anna: { name: 'Anna Lee', email: 'anna@school.example', email_verified: true, groups: ['teachers'] },
    bert: { name: 'Bert Lee', email: 'bert@school.example', email_verified: false, groups: [] },
  },
  /** `{claims}` to lay over those of the token, `{key: 'foreign'}`, `{algorithm: 'none' | 'HS256'}`, `{withoutKeyId: true}`,
      `{age}`: seconds since its end */
  spoil: null,
  /** Laid over other answers: `token`, `about` (the claims endpoint) and `metadata`; `keys` stand before those of the provider. */
  odd: {},
}

const client = {
  client_id: 'carrel',
  client_secret: 'the secret of carrel',
  redirect_uris: redirectUris,
  grant_types: ['authorization_code'],
  response_types: ['code'],
  ...(signedClaims ? { userinfo_signed_response_alg: 'RS256' } : {}),
}
const provider = new Provider(issuer, {
  clients: [client, { ...client, client_id: 'other' }],
  cookies: { keys: ['of the test'] },
  jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), kid, use: 'sig', alg: 'RS256' }] },
  features: { jwtUserinfo: { enabled: signedClaims } },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: !claimsInToken,
  findAccount: (_, id) => {
    const person = state.people[id]
    if (!person) return undefined
    return { accountId: id, claims: () => ({ sub: id, preferred_username: id, ...person }) }
  },
})

async function spoiled(token, { claims = {}, key, algorithm = 'RS256', withoutKeyId = false, age }) {
  const said = { ...decodeJwt(token), ...claims }
  if (age !== undefined) said.exp = Math.floor(Date.now() / 1000) - age
  if (algorithm === 'none') {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${part({ alg: 'none' })}.${part(said)}.`
  }
  const secret = new TextEncoder().encode(client.client_secret)
  const used = algorithm === 'HS256' ? secret : (key === 'foreign' ? foreign : signing).privateKey
  return new SignJWT(said).setProtectedHeader({ alg: algorithm, ...(withoutKeyId ? {} : { kid }) }).sign(used)
}

provider.use(async (ctx, next) => {
  await next()
  const { body } = ctx
  if (state.spoil && body?.id_token) body.id_token = await spoiled(body.id_token, state.spoil)
  if (body?.id_token) Object.assign(body, state.odd.token)
  else if (body?.sub) Object.assign(body, state.odd.about)
  else if (body?.issuer) Object.assign(body, state.odd.metadata)
  else if (body?.keys && state.odd.keys) {
    const own = body.keys.map(({ kid: _, ...key }) => key)
    ctx.body = { keys: [...state.odd.keys, ...own] }
  }
})

const answer = provider.callback()
async function handle(request, response) {
  if (request.url !== '/test') return answer(request, response)
  let text = ''
  for await (const piece of request) text += piece
  const { people, spoil, odd } = JSON.parse(text)
  Object.assign(state.people, people)
  if (spoil !== undefined) state.spoil = spoil
  if (odd !== undefined) state.odd = odd
  return response.end()
}

const server = tls
  ? createTls({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, handle)
  : createPlain(handle)
server.listen(new URL(origin).port, '127.0.0.1', () => console.log(`ready at ${issuer}`))
